// What opens over the conversation: groups to join, people, members, settings, the account.
import { attempt, button, dialog, form, h, toast } from './dom.js';
import { line } from './text.js';

const ROLES = [['member', 'Member'], ['moderator', 'Moderator'], ['owner', 'Owner']];
const LEVELS = [['all', 'Every message'], ['mentions', 'Mentions'], ['nothing', 'Nothing']];
const VISIBILITY = [['public', 'Public: anyone may join'], ['private', 'Private: by being added']];

const who = (user, online) => h('span', { class: 'person' }, h('span', { class: online ? 'dot on' : 'dot', role: 'img', 'aria-label': online ? 'online' : 'offline' }),
	h('b', {}, user.username), ' ', user.display_name !== user.username && h('bdi', {}, line(user.display_name)), ' ',
	h('small', { dir: 'auto' }, line(user.status_text)));

/** A list that is searched on the server and goes on where there is more. */
function search(app, path, key, label, row) {
	const list = h('ul', { class: 'list' });
	let turn = 0;
	const load = async (q, cursor) => {
		const mine = turn += 1;
		const query = new URLSearchParams({ limit: 30, ...(q && { q }), ...(cursor && { cursor }) });
		const answer = await attempt(() => app.api.call('GET', `${path}?${query}`));
		if (!answer || mine !== turn) return;
		if (!cursor) list.replaceChildren();
		list.append(...answer[key].map((item) => h('li', {}, row(item))));
		if (answer.next_cursor) {
			const more = h('li', {}, button('More', () => { more.remove(); load(q, answer.next_cursor); }));
			list.append(more);
		}
	};
	const input = h('input', { type: 'search', autocomplete: 'off', oninput: () => load(input.value.trim()) });
	load('');
	return [h('label', {}, label, ' ', input), list];
}

/** Public groups to join, and a form for a new one. */
export function browse(app) {
	const open = async (work) => {
		const info = await attempt(work);
		if (info) {
			node.close();
			app.enter(info);
		}
	};
	const node = dialog('Groups', ...search(app, '/groups', 'groups', 'Find', (group) => [
		h('span', { class: 'person' }, h('b', {}, `#${group.name}`), ' ', h('small', { dir: 'auto' }, line(group.topic)), h('small', {}, ` ${group.member_count} members`)),
		group.joined
			? button('Open', () => { node.close(); app.open(group.id); }, { 'aria-label': `Open ${group.name}` })
			: button('Join', () => open(() => app.api.call('POST', `/groups/${group.id}/join`)), { 'aria-label': `Join ${group.name}` }),
	]), h('h3', {}, 'New group'), form([
		{ name: 'name', label: 'Name', required: true, maxlength: 64, autocapitalize: 'none' },
		{ name: 'topic', label: 'Topic', maxlength: 250 },
		{ name: 'visibility', label: 'Who can join', options: VISIBILITY, value: 'public' },
	], 'Create', async (values) => {
		const info = await app.api.call('POST', '/groups', values);
		node.close();
		app.enter(info);
	}));
}

/** Somebody to write to. */
export function people(app) {
	const node = dialog('People', ...search(app, '/users', 'users', 'Find', (user) => [who(user, app.store.online.has(user.username)),
		button('Write', async () => {
			const info = await attempt(() => app.api.call('POST', '/directs', { username: user.username }));
			if (info) {
				node.close();
				app.enter(info);
			}
		}, { 'aria-label': `Write to ${user.username}` })]));
}

/** Who is in it, and for those who may: roles, adding, removing. */
export function members(app, conv) {
	const { id, info } = conv;
	const group = info.kind === 'group';
	const change = (method, name, body) => app.api.call(method, `/groups/${id}/members/${encodeURIComponent(name)}`, body);
	const again = () => { node.close(); members(app, conv); };
	const row = ({ user, role }) => {
		const mine = user.id === app.me.id;
		const select = info.role === 'owner' && group && h('select', {
			'aria-label': `Role of ${user.username}`,
			onchange: async () => { await attempt(() => change('PUT', user.username, { role: select.value })); again(); },
		}, ROLES.map(([word, text]) => h('option', { value: word, selected: word === role }, text)));
		return [who(user, user.online ?? app.store.online.has(user.username)),
			select || (role !== 'member' && h('small', {}, role)),
			conv.runs && !mine && (role !== 'owner' || info.role === 'owner')
				&& button('Remove', async () => { await attempt(() => change('DELETE', user.username)); again(); }, { 'aria-label': `Remove ${user.username}` })];
	};
	const [, list] = search(app, `/conversations/${id}/members`, 'members', '', row);
	const node = dialog('Members', list, conv.runs && h('h3', {}, 'Add somebody'), conv.runs && form(
		[{ name: 'username', label: 'Username', required: true, maxlength: 32, autocapitalize: 'none' },
			h('p', {}, 'Members can read everything that was written before they came.')],
		'Add', async ({ username }) => { await change('PUT', username.trim()); again(); }));
}

/** Topic, name, notifications, leaving. */
export function about(app, conv) {
	const { id, info } = conv;
	const settings = async (body) => {
		app.describe(await app.api.call('PUT', `/conversations/${id}/settings`, body));
	};
	const leave = (title, text, method, path) => {
		const sure = dialog(title, h('p', {}, text), form([], title, async () => {
			await app.api.call(method, path);
			sure.close();
			node.close();
		}));
	};
	const muted = info.muted_until > Date.now();
	const node = dialog(`About ${line(conv.title)}`,
		conv.runs && form([
			{ name: 'name', label: 'Name', value: info.name, required: true, maxlength: 64 },
			{ name: 'topic', label: 'Topic', value: info.topic, maxlength: 250 },
			{ name: 'visibility', label: 'Who can join', options: VISIBILITY, value: info.visibility },
		], 'Save', async (values) => {
			const changed = Object.entries(values).filter(([name, value]) => value !== (info[name] ?? ''));
			if (changed.length) await app.api.call('PATCH', `/groups/${id}`, Object.fromEntries(changed));
			node.close();
		}),
		form([{ name: 'level', label: 'Notify me of', options: LEVELS, value: info.level }], 'Set', async (values) => {
			await settings(values);
			toast('Set.');
		}),
		h('div', { class: 'row' },
			button(muted ? 'Unmute' : 'Mute for 8 hours', () => attempt(async () => {
				await settings({ muted_until: muted ? null : Date.now() + 8 * 3600_000 });
				node.close();
			})),
			button('Mark unread', () => attempt(async () => {
				await settings({ marked_unread: true });
				node.close();
				app.open(null);
			})),
			info.kind === 'group' && button('Leave', () => leave('Leave', `Leave #${info.name}?`, 'POST', `/groups/${id}/leave`)),
			info.role === 'owner' && button('Delete the group', () => leave('Delete', `Delete #${info.name} with everything in it?`, 'DELETE', `/groups/${id}`))));
}

/** Name, status, password, sessions, log out. */
export function account(app) {
	const sessions = h('ul', { class: 'list' });
	const list = async () => {
		const answer = await attempt(() => app.api.call('GET', '/me/sessions'));
		sessions.replaceChildren(...(answer?.sessions ?? []).map(({ id, device_name, last_seen_at, current }) => h('li', {},
			h('span', { class: 'person' }, h('bdi', {}, line(device_name) || 'Unnamed'), h('small', {}, current ? ' this one' : ` ${new Date(last_seen_at).toLocaleString()}`)),
			!current && button('End', async () => { await attempt(() => app.api.call('DELETE', `/me/sessions/${id}`)); list(); }, { 'aria-label': `End ${line(device_name)}` }))));
	};
	list();
	dialog(`@${app.me.username}`,
		form([
			{ name: 'display_name', label: 'Name', value: app.me.display_name, maxlength: 64 },
			{ name: 'status_text', label: 'Status', value: app.me.status_text, maxlength: 100 },
		], 'Save', async (values) => {
			app.store.me = await app.api.call('PATCH', '/me', values);
			app.changed(null);
			toast('Saved.');
		}),
		h('h3', {}, 'Password'), form([
			h('input', { name: 'username', value: app.me.username, autocomplete: 'username', hidden: true, readonly: true }),
			{ name: 'current_password', label: 'Present', type: 'password', autocomplete: 'current-password', required: true },
			{ name: 'new_password', label: 'New', type: 'password', autocomplete: 'new-password', required: true, minlength: 10 },
		], 'Change', async ({ current_password, new_password }) => {
			await app.api.call('PUT', '/me/password', { current_password, new_password });
			toast('Changed. Every other session ended.');
			list();
		}),
		h('h3', {}, 'Sessions'), sessions,
		h('div', { class: 'row' },
			window.Notification?.permission === 'default' && button('Notify me', async (event) => {
				event.target.hidden = await Notification.requestPermission() !== 'default';
			}),
			button('Log out', () => attempt(() => app.logout()))));
}
