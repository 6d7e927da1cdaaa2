// The way in: goes on with the login that is there, or asks for one.
import { Api } from './api.js';
import { App } from './app.js';
import { $ } from './dom.js';

const AGAIN_MS = 3000;
const api = new Api();
let app;

// Shows the door, until somebody is logged in.
function show(problem = '') {
	$('problem').textContent = problem;
	$('door').hidden = api.user;
	$('app').hidden = !api.user;
	if (api.user) app ??= new App(api);
}

async function resume() {
	if (!localStorage.user) return show(sessionStorage.why);
	return api.refresh().then(() => show(), ({ message }) => {
		setTimeout(resume, AGAIN_MS);
		show(message);
	});
}

$('login').onsubmit = async (event) => {
	event.preventDefault();
	const { target: form, submitter } = event;
	try {
		await api.enter(submitter.value, Object.fromEntries([...new FormData(form)].filter(([, value]) => value)));
		form.reset();
		show();
	} catch ({ message, status }) {
		show(message);
		if (status !== 403) return;
		form.setup_code.parentNode.hidden = !/setup code/.test(message);
		form.invite.parentNode.hidden = !/invite/.test(message);
	}
};
onstorage = () => api.user ?? resume(); // another tab logged in
resume();
