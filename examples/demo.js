import { GatehouseError, createGatehouseClient } from './gatehouse.js';

const $ = (id) => document.getElementById(id);
const say = (text) => ($('notice').textContent = text);

function askForProof({ purpose, methods, score, reasons, error, attemptsLeft, sendMail, signal }) {
  const dialog = $('step-up');
  const scored = score === undefined ? '' : ` Score ${score}: ${reasons.join(', ')}.`;
  const again = error
    ? ` That was not right (${error}), ${attemptsLeft ?? 'some'} tries left.`
    : '';
  $('why').textContent = `For ${purpose}, with ${methods.join(' or ')}.${scored}${again}`;
  $('passkey').hidden = !methods.includes('passkey');
  $('mail').hidden = !methods.includes('email');
  $('mail').onclick = () => sendMail().catch((failure) => say(failure.message));
  $('code').value = '';
  dialog.returnValue = '';
  dialog.showModal();
  signal.addEventListener('abort', () => dialog.close());
  return new Promise((resolve) => {
    const answers = { code: () => $('code').value, passkey: () => ({ method: 'passkey' }) };
    dialog.onclose = () => resolve(answers[dialog.returnValue]?.());
  });
}

const client = createGatehouseClient({
  // Gatehouse may be below a path: it is where this page is.
  baseUrl: new URL('.', location.href).href,
  // The refresh token is in a cookie that no script reads: a reload keeps the person signed in.
  refreshCookie: true,
  loginUrl: location.pathname,
  onStepUp: askForProof,
  onSignedOut({ reason }) {
    say(`Signed out: ${reason}`);
    show();
  },
});

function show() {
  $('sign-in').hidden = client.signedIn;
  $('session').hidden = !client.signedIn;
}

async function look() {
  const response = await client.fetch('/api/auth/me');
  $('who').textContent = JSON.stringify(await response.json(), null, 2);
  show();
}

const json = (body) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

async function exportBundle() {
  const year = new Date().getUTCFullYear();
  const range = { from: `${year}-01-01`, to: `${year}-12-31`, format: 'csv' };
  const response = await client.fetch('/api/compliance/export/bundle', json(range));
  if (!response.ok) return say(`No bundle: ${(await response.json()).error}`);
  const bundle = await response.blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(bundle);
  link.download = 'evidence.zip';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  say(`Exported ${bundle.size} bytes.`);
}

/** Registers a passkey; whoever has a factor already proves it first, as for anything else. */
async function addPasskey() {
  const begun = await client.fetch('/api/security/passkeys/register/start', json({}));
  if (!begun.ok) return say(`No passkey: ${(await begun.json()).error}`);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await begun.json());
  const credential = await navigator.credentials.create({ publicKey }).catch(() => undefined);
  if (!credential) return say('No passkey: the browser made none.');
  const made = json({ name: 'Demo', response: credential.toJSON() });
  const finished = await client.fetch('/api/security/passkeys/register/finish', made);
  say(finished.ok ? 'Passkey added.' : `No passkey: ${(await finished.json()).error}`);
}

/** A passkey cannot belong to 127.0.0.1; localhost is the same machine by a name. */
function nameTheMachine() {
  const byName = new URL(location.pathname, location.href);
  byName.hostname = 'localhost';
  const isAddress = /^[\d.]+$|^\[/.test(location.hostname);
  $('add-passkey').hidden = isAddress || !window.PublicKeyCredential;
  $('no-passkeys').hidden = !isAddress;
  $('no-passkeys').querySelector('a').href = byName.href;
}

/**
 * Uses the same refresh token twice at once, each time with another key, as the browser and a thief with a copy of its cookie would. The server
 * ends every session of the person. A browser that waits with the second request has the new cookie by then, so it is tried again.
 */
async function playTheThief() {
  const use = () => client.fetch('/api/auth/refresh', json({ refreshCookie: true }));
  for (let round = 0; round < 5 && client.signedIn; round += 1) await Promise.all([use(), use()]);
}

/** Runs what a button does and says what went wrong. */
const act = (work) => async (event) => {
  event?.preventDefault();
  try {
    await work(event);
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error;
    if (error.code !== 'SIGNED_OUT') say(`Refused: ${error.code}`);
  }
};

/** One radio button for each tenant of the person; the form is sent again with the one that is chosen. */
function offerTenants(tenants) {
  const choices = tenants.map(({ slug, name }, index) => {
    const input = Object.assign(document.createElement('input'), {
      type: 'radio',
      name: 'tenant',
      value: slug,
      checked: index === 0,
    });
    const label = document.createElement('label');
    label.className = 'inline';
    label.append(input, name);
    return label;
  });
  $('choices').replaceChildren(...choices);
  $('tenants').hidden = $('tenants').disabled = tenants.length === 0;
  choices[0]?.querySelector('input').focus();
}

async function signIn(form) {
  const { rememberMe, ...credentials } = Object.fromEntries(new FormData(form));
  try {
    await client.signIn({ ...credentials, rememberMe: rememberMe === 'on' });
  } catch (error) {
    if (error.code !== 'TENANT_SELECTION_REQUIRED') throw error;
    offerTenants(error.body.tenants);
    return say('Choose a tenant, and sign in again.');
  }
  form.reset();
  offerTenants([]);
  say('Signed in.');
  await look();
}

$('sign-in').addEventListener(
  'submit',
  act(({ target }) => signIn(target)),
);
// Another person has other tenants.
$('sign-in').elements.email.addEventListener('input', () => offerTenants([]));
$('look').addEventListener('click', act(look));
$('export').addEventListener('click', act(exportBundle));
$('add-passkey').addEventListener('click', act(addPasskey));
$('thief').addEventListener('click', act(playTheThief));
$('sign-out').addEventListener(
  'click',
  act(() => client.signOut()),
);

nameTheMachine();
const reason = new URLSearchParams(location.search).get('reason');
if (reason) say(`Signed out: ${reason}`);
if (await client.ready()) await act(look)();
else show();
