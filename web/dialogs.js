// What opens over the conversation: groups to join, people, members, settings, the account.
import { attempt, button, dialog, form, h, select, toast } from './dom.js';
import { line } from './text.js';

const pairs = (text) => text.split('; ').map((pair) => pair.split(': '));
const ROLES = pairs('member: Member; moderator: Moderator; owner: Owner');
const LEVELS = pairs('all: Every message; mentions: What names me; nothing: Nothing');
const VISIBILITY = pairs('public: Anyone; private: Whoever is added');
const NAME = { required: true, maxlength: 64, autocapitalize: 'none' };

export const dot = (isOn) => h('span', { class: isOn ? 'dot on' : 'dot', role: 'img', 'aria-label': isOn ? 'online' : 'offline' });
const row = (...content) => h('div', { class: 'row' }, content);
const head = (text) => h('h3', 0, text);
const person = ({ username, display_name, status_text }, isOn) => h('span', { class: 'grow' }, dot(isOn), ' ', h('b', 0, username), ' ',
	display_name !== username && h('bdi', 0, line(display_name)), ' ', h('small', { dir: 'auto' }, line(status_text)));

/** A list of the server's, page by page. */
function list(app, path, key, draw) {
	const node = h('ul', { class: 'list' });
	let turn;
	node.load = async (q = '', cursor = '') => {
		const mine = turn = {};
		const query = new URLSearchParams({ ...(q && { q }), ...(cursor && { cursor }) });
		const answer = await attempt(() => app.api.call('GET', `${path}?${query}`));
		if (!answer || mine !== turn) return;
		if (!cursor) node.replaceChildren();
		node.append(...answer[key].map((item) => h('li', 0, draw(item))));
		if (!answer.next_cursor) return;
		const more = h('li', 0, button('More', () => { more.remove(); node.load(q, answer.next_cursor); }));
		node.append(more);
	};
	node.load();
	return node;
}

const search = (node) => h('label', 0, 'Find', h('input', { type: 'search', oninput: ({ target }) => node.load(target.value.trim()) }));

/** Opens a dialog whose buttons lead to a conversation. */
function leading(app, title, path, key, draw, ...rest) {
	const go = (work) => attempt(async () => {
		const info = await work();
		node.close();
		app.enter(info);
	});
	const groups = list(app, path, key, (item) => draw(item, go));
	const node = dialog(title, search(groups), groups, ...rest.map((part) => part.call ? part(go) : part));
}

/** Public groups to join, and a form for a new one. */
export const browse = (app) => leading(app, 'Groups', '/groups', 'groups', ({ id, name, topic, member_count, joined }, go) => [
	h('span', { class: 'grow' }, h('b', 0, `#${name} `), h('small', 0, member_count), ' ', h('small', { dir: 'auto' }, line(topic))),
	joined ? button('Open', () => go(() => app.store.conversations.get(id).info), `Open ${name}`)
		: button('Join', () => go(() => app.api.call('POST', `/groups/${id}/join`)), `Join ${name}`),
], head('New group'), (go) => form([
	['name', 'Name', NAME], ['topic', 'Topic', { maxlength: 250 }], ['visibility', 'Who can join', { options: VISIBILITY }],
], 'Create', async (values) => {
	const info = await app.api.call('POST', '/groups', values);
	go(() => info);
}));

/** Somebody to write to. */
export const people = (app) => leading(app, 'People', '/users', 'users', (user, go) => [
	person(user, app.store.online.has(user.username)),
	button('Write', () => go(() => app.api.call('POST', '/directs', { username: user.username })), `Write to ${user.username}`),
]);

/** Who is in it, and for those who may: roles, adding, removing. */
export function members(app, { id, info, runs }) {
	const owns = info.role === 'owner';
	const change = async (method, name, body) => {
		await app.api.call(method, `/groups/${id}/members/${encodeURIComponent(name)}`, body);
		all.load();
	};
	const all = list(app, `/conversations/${id}/members`, 'members', ({ user, role }) => {
		const { username, online } = user;
		const may = runs && username !== app.me.username && (owns || role !== 'owner');
		return [person(user, online ?? app.store.online.has(username)),
			owns ? select(ROLES, role, {
				'aria-label': `Role of ${username}`, onchange: ({ target }) => attempt(() => change('PUT', username, { role: target.value })),
			}) : role !== 'member' && h('small', 0, role),
			may && button('Remove', () => attempt(() => change('DELETE', username)), `Remove ${username}`)];
	});
	dialog('Members', all, runs && form([
		['username', 'Add somebody, who can then read everything written before', NAME],
	], 'Add', ({ username }) => change('PUT', username)));
}

/** Name, topic, notifications, leaving. */
export function about(app, conv) {
	const { id, info, runs, title } = conv;
	const set = (body) => attempt(async () => app.store.describe(await app.api.call('PUT', `/conversations/${id}/settings`, body)));
	const sure = (what, method, path) => button(what, () => {
		const ask = dialog(`${what} ${title}?`, form([], what, async () => {
			await app.api.call(method, `/groups/${id}${path}`);
			ask.close();
			node.close();
		}));
	});
	const close = (work) => () => { node.close(); work(); };
	const isMuted = info.muted_until > Date.now();
	const node = dialog(line(title),
		runs && form([['name', 'Name', { ...NAME, value: info.name }], ['topic', 'Topic', { value: info.topic, maxlength: 250 }],
			['visibility', 'Who can join', { options: VISIBILITY, value: info.visibility }]], 'Save', async (values) => {
			const changed = Object.entries(values).filter(([name, value]) => value !== info[name]);
			await app.api.call('PATCH', `/groups/${id}`, Object.fromEntries(changed));
			node.close();
		}),
		h('label', 0, 'Notify me of', select(LEVELS, info.level, { onchange: ({ target }) => set({ level: target.value }) })),
		row(button(isMuted ? 'Unmute' : 'Mute for 8 hours', close(() => set({ muted_until: isMuted ? null : Date.now() + 288e5 }))),
			button('Mark unread', close(() => { app.open(''); set({ marked_unread: true }); })),
			info.kind === 'group' && sure('Leave', 'POST', '/leave'), info.role === 'owner' && sure('Delete', 'DELETE', '')));
}

/** Name, status, password, sessions, log out. */
export function account(app) {
	const { username, display_name, status_text } = app.me;
	const sessions = list(app, '/me/sessions', 'sessions', ({ id, device_name, last_seen_at, current }) => [
		h('bdi', { class: 'grow' }, `${line(device_name)}, ${current ? 'this one' : new Date(last_seen_at).toLocaleString()}`),
		!current && button('End', () => attempt(() => app.api.call('DELETE', `/me/sessions/${id}`)).then(() => sessions.load()), `End ${line(device_name)}`),
	]);
	const password = (name, label, autocomplete) => [name, label, { type: 'password', required: true, autocomplete }];
	dialog(`@${username}`,
		form([['display_name', 'Name', { value: display_name, maxlength: 64 }], ['status_text', 'Status', { value: status_text, maxlength: 100 }]],
			'Save', async (values) => {
				app.store.me = await app.api.call('PATCH', '/me', values);
				toast('Saved.');
			}),
		form([password('current_password', 'Present password', 'current-password'), password('new_password', 'New password', 'new-password')],
			'Change', async (values) => {
				await app.api.call('PUT', '/me/password', values);
				toast('Changed. Every other session ended.');
				sessions.load();
			}),
		head('Sessions'), sessions,
		row(window.Notification?.permission === 'default' && button('Notify me', () => Notification.requestPermission()),
			button('Log out', () => attempt(() => app.logout()))));
}
