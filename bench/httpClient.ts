import { connect } from 'node:net';

export interface Answer {
  status: number;
  body: string;
}

export interface Call {
  method: 'GET' | 'POST';
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: object;
}

export interface Client {
  send(call: Call): Promise<Answer>;
  close(): void;
}

function write({ method, path, headers = {}, body }: Call): string {
  const text = body === undefined ? '' : JSON.stringify(body);
  let head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  if (body !== undefined) {
    head += `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  }
  return `${head}\r\n${text}`;
}

/** @returns undefined if the answer is not complete yet */
function read(received: Buffer): Answer | undefined {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = received.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`the answer has no content-length:\n${head}`);
  const end = headEnd + 4 + Number(length);
  if (received.length < end) return undefined;
  return { status: Number(head.slice(9, 12)), body: received.toString('utf8', headEnd + 4, end) };
}

/**
 * Opens one keep-alive connection to a server on this machine, for one request at a time. It
 * implements just enough HTTP for answers with a content-length: `http.request` takes four times
 * the processor time. If load and server share the cores, that would be measured too.
 */
export function connectTo(port: number): Client {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received: Buffer = Buffer.alloc(0);
  let settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  let gone: Error | undefined;

  const fail = (error: Error) => {
    gone ??= error;
    settle?.reject(gone);
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    try {
      const answer = read(received);
      if (!answer) return;
      received = Buffer.alloc(0);
      settle?.resolve(answer);
    } catch (error) {
      fail(error as Error);
    }
  });
  return {
    send: (call) =>
      new Promise((resolve, reject) => {
        if (gone) return reject(gone);
        settle = { resolve, reject };
        socket.write(write(call));
      }),
    close: () => socket.destroy(),
  };
}

/** Sends one request on a connection of its own. */
export async function callOnce(port: number, call: Call): Promise<Answer> {
  const client = connectTo(port);
  try {
    return await client.send(call);
  } finally {
    client.close();
  }
}
