// What opens over the conversation.
import { attempt, button, closeDialogs, dialog, form, h, select, toast } from './dom.js';
import { line } from './text.js';

const ROLES = { member: 'Member', moderator: 'Moderator', owner: 'Owner' };
const LEVELS = { all: 'Every message', mentions: 'What names me', nothing: 'Nothing' };
const VISIBILITY = { public: 'Anyone', private: 'Whoever is added' };
const NAME = { required: true, maxlength: 64, autocapitalize: 'none' };
const MUTE_MS = 8 * 3_600_000;

const group = ({ name, topic, visibility }) => [['name', 'Name', { ...NAME, value: name }],
	['topic', 'Topic', { value: topic, maxlength: 250 }], ['visibility', 'Who can join', { options: VISIBILITY, value: visibility }]];

export const dot = (isOn) => h('span.on', { role: 'img', 'aria-label': isOn ? 'online' : 'offline' }, isOn ? '●' : '○');

const person = (app, { username, display_name, status_text, online = app.store.online.has(username) }) => h('span.grow', dot(online), ' ',
	h('b', username), ' ', display_name !== username && h('bdi', line(display_name)), ' ', h('small', { dir: 'auto' }, line(status_text)));

// A list, page by page; its path ends in its name.
function list(app, path, draw) {
	const node = h('ul.list');
	let turn;
	node.load = async (q = '', cursor) => {
		const mine = turn = {};
		const query = new URLSearchParams(cursor ? { q, cursor } : { q });
		const answer = await attempt(() => app.api.call('GET', `${path}?${query}`));
		if (!answer || mine !== turn) return;
		if (!cursor) node.replaceChildren();
		node.append(...answer[path.split('/').at(-1)].map((item) => h('li', draw(item))));
		if (!answer.next_cursor) return;
		const more = h('li', button('More', () => { more.remove(); node.load(q, answer.next_cursor); }));
		node.append(more);
	};
	node.change = (work) => attempt(work).then(() => node.load());
	node.load();
	return node;
}

// A list to search, whose buttons lead to a conversation.
function leading(app, title, path, draw, ...rest) {
	const found = list(app, path, (item) => draw(item, (text, label, work) =>
		button(text, () => attempt(async () => app.enter(await work())), label)));
	dialog(title, h('label', 'Find', h('input', { type: 'search', oninput: ({ target }) => found.load(target.value.trim()) })), found, rest);
}

export const browse = (app) => leading(app, 'Groups', '/groups', ({ id, name, topic, member_count, joined }, go) => [
	h('span.grow', h('b', `#${name} `), h('small', member_count), ' ', h('small', { dir: 'auto' }, line(topic))),
	joined ? go('Open', `Open ${name}`, () => app.store.conversations.get(id).info)
		: go('Join', `Join ${name}`, () => app.api.call('POST', `/groups/${id}/join`)),
], h('h2', 'New group'), form(group({}), 'Create', async (values) => app.enter(await app.api.call('POST', '/groups', values))));

export const people = (app) => leading(app, 'People', '/users', (user, go) => [person(app, user),
	go('Write', `Write to ${user.username}`, () => app.api.call('POST', '/directs', { username: user.username }))]);

export function members(app, { id, info, runs }) {
	const owns = info.role === 'owner';
	const call = (method, name, body) => app.api.call(method, `/groups/${id}/members/${encodeURIComponent(name)}`, body);
	const all = list(app, `/conversations/${id}/members`, ({ user, role }) => {
		const { username } = user;
		const may = runs && username !== app.me.username && (owns || role !== 'owner');
		return [person(app, user), owns ? select(ROLES, role, {
			'aria-label': `Role of ${username}`, onchange: ({ target }) => all.change(() => call('PUT', username, { role: target.value })),
		}) : role !== 'member' && h('small', role), may && button('Remove', () => all.change(() => call('DELETE', username)), `Remove ${username}`)];
	});
	dialog('Members', all, runs && form([['username', 'Add somebody, who can then read everything written before', NAME]], 'Add',
		({ username }) => call('PUT', username)));
}

export function about(app, conv) {
	const { id, info, runs, title } = conv;
	const isMuted = info.muted_until > Date.now();
	const sure = (what, method, path) => button(what, () => {
		closeDialogs();
		dialog(`${what} ${title}?`, form([], what, () => app.api.call(method, `/groups/${id}${path}`)));
	});
	dialog(line(title),
		runs && form(group(info), 'Save', (values) => app.api.call('PATCH', `/groups/${id}`, values)),
		h('label', 'Notify me of', select(LEVELS, info.level, { onchange: ({ target }) => app.set(conv, { level: target.value }) })),
		h('div.row', button(isMuted ? 'Unmute' : 'Mute for 8 hours', () => { closeDialogs(); app.set(conv, { muted_until: isMuted ? null : Date.now() + MUTE_MS }); }),
			button('Mark unread', () => { app.open(''); app.set(conv, { marked_unread: true }); }),
			info.kind === 'group' && sure('Leave', 'POST', '/leave'), info.role === 'owner' && sure('Delete', 'DELETE', '')));
}

export function account(app) {
	const { username, display_name, status_text } = app.me;
	const sessions = list(app, '/me/sessions', ({ id, device_name, last_seen_at, current }) => [
		h('bdi.grow', `${line(device_name)}, ${current ? 'this one' : new Date(last_seen_at).toLocaleString()}`),
		!current && button('End', () => sessions.change(() => app.api.call('DELETE', `/me/sessions/${id}`)), `End ${line(device_name)}`),
	]);
	const password = (name, label, autocomplete) => [name, label, { type: 'password', required: true, autocomplete }];
	dialog(`@${username}`,
		form([['display_name', 'Name', { value: display_name, maxlength: 64 }], ['status_text', 'Status', { value: status_text, maxlength: 100 }]],
			'Save', async (values) => { app.store.me = await app.api.call('PATCH', '/me', values); }),
		form([password('current_password', 'Present password', 'current-password'), password('new_password', 'New password', 'new-password')],
			'Change', async (values) => {
				await app.api.call('PUT', '/me/password', values);
				toast('Changed. Every other session ended.');
			}),
		h('h2', 'Sessions'), sessions,
		h('div.row', window.Notification?.permission === 'default' && button('Notify me', () => Notification.requestPermission()),
			button('Log out', () => attempt(() => app.logout()))));
}
