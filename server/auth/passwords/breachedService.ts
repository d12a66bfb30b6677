/** How many digits of the hash are sent to the service (k-anonymity). */
const PREFIX = 5;
const TIMEOUT_MS = 1500;
/** The published answers are smaller than 100 kB. */
const MOST_BYTES = 1_000_000;

async function readBounded(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body ?? []) {
    const bytes = chunk as Uint8Array;
    length += bytes.length;
    if (length > MOST_BYTES) throw new Error('the answer of the service is too long');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('latin1');
}

/**
 * Asks a service for all hashes that begin with the same five digits, as Have I Been Pwned offers
 * it, and looks for the hash among them. The service learns neither the password nor its hash.
 * Padding hides the number of the hashes; its lines have the count 0.
 * @param hash the SHA-1 in upper-case hex
 * @throws if the service does not answer in time, or answers with anything but a list
 */
export async function isListedByService(url: string, hash: string): Promise<boolean> {
  const answer = await fetch(`${url}/${hash.slice(0, PREFIX)}`, {
    headers: { 'add-padding': 'true', accept: 'text/plain' },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (answer.status !== 200) {
    await answer.body?.cancel();
    throw new Error(`the service answered ${answer.status}`);
  }
  const rest = hash.slice(PREFIX);
  return (await readBounded(answer)).split('\n').some((line) => {
    const [suffix = '', count = ''] = line.trim().split(':');
    return suffix.toUpperCase() === rest && Number(count) > 0;
  });
}
