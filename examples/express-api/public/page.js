import { GatehouseError, createGatehouseClient } from './gatehouse.js';

const $ = (id) => document.getElementById(id);
const say = (text) => ($('notice').textContent = text);

/** Asks for a code. The client sends it to Gatehouse, and then repeats the request that needed it. */
function askForCode({ purpose, error, attemptsLeft, signal }) {
  const dialog = $('step-up');
  $('why').textContent = error
    ? `That was not right (${error}), ${attemptsLeft ?? 'some'} tries left.`
    : `A code of your authenticator is needed for ${purpose}.`;
  $('code').value = '';
  dialog.returnValue = '';
  dialog.showModal();
  signal.addEventListener('abort', () => dialog.close());
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === 'code' ? $('code').value : undefined);
  });
}

const { gatehouseUrl } = await (await fetch('config.json')).json();
const client = createGatehouseClient({
  baseUrl: gatehouseUrl,
  // This page's own API is at another origin than Gatehouse, and gets the bearer token too.
  apiUrls: [location.origin],
  refreshCookie: true,
  loginUrl: false,
  onStepUp: askForCode,
  onSignedOut({ reason }) {
    say(reason === 'signed_out' ? 'Signed out.' : `You were signed out: ${reason}.`);
    show();
  },
});

/** Sends a request to this page's own API. */
const call = (path, method = 'GET', body = undefined) =>
  client.fetch(new URL(path, location.href), {
    method,
    ...(body && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });

function show() {
  $('sign-in').hidden = client.signedIn;
  $('projects').hidden = !client.signedIn;
  if (!client.signedIn) $('who').textContent = '';
}

function toItem({ id, name }) {
  const item = document.createElement('li');
  const label = Object.assign(document.createElement('span'), { textContent: name });
  const button = Object.assign(document.createElement('button'), {
    type: 'button',
    textContent: 'Delete',
    ariaLabel: `Delete ${name}`,
    onclick: act(() => remove(id, name)),
  });
  item.append(label, button);
  return item;
}

/** Shows the answer's error if there is one. */
async function refused(response, what) {
  if (response.ok) return false;
  const { error, detail } = await response.json().catch(() => ({ error: response.status }));
  say(`${what}: ${detail ?? error}`);
  return true;
}

async function load() {
  show();
  const response = await call('api/projects');
  if (await refused(response, 'Not loaded')) return;
  const { tenant, person, projects } = await response.json();
  $('who').textContent = `${person} at ${tenant}`;
  $('list').replaceChildren(...projects.map(toItem));
}

async function remove(id, name) {
  const response = await call(`api/projects/${id}`, 'DELETE');
  if (await refused(response, 'Not deleted')) return;
  await load();
  say(`Deleted ${name}.`);
}

async function create(form) {
  const { name } = Object.fromEntries(new FormData(form));
  const response = await call('api/projects', 'POST', { name });
  if (await refused(response, 'Not created')) return;
  form.reset();
  await load();
  say(`Created ${name}.`);
}

async function signIn(form) {
  await client.signIn(Object.fromEntries(new FormData(form)));
  form.reset();
  say('Signed in.');
  await load();
}

/** Runs the action of a button or form, and shows its error. */
function act(work) {
  return async (event) => {
    event.preventDefault();
    try {
      await work(event.target);
    } catch (error) {
      if (!(error instanceof GatehouseError)) throw error;
      if (error.code !== 'SIGNED_OUT') say(`Refused: ${error.code}`);
    }
  };
}

$('sign-in').addEventListener('submit', act(signIn));
$('create').addEventListener('submit', act(create));
$('sign-out').addEventListener(
  'click',
  act(() => client.signOut()),
);
if (await client.ready()) await load();
else show();
