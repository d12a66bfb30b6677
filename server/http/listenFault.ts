/** The server cannot listen; the message is a sentence that names the setting. */
export class ListenError extends Error {
  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.name = 'ListenError';
  }
}

/**
 * Explains which setting to change if the server cannot listen.
 * @returns the error itself if its code is unknown
 */
export function explainListenFault(
  error: NodeJS.ErrnoException,
  { port, host }: { port: number; host: string },
): Error {
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} is already in use: set PORT to another one.`,
    EACCES: `Port ${port} needs more rights than this account has: set PORT to 1024 or more.`,
    EADDRNOTAVAIL: `HOST ${host} is not an address of this machine.`,
    EAFNOSUPPORT: `HOST ${host} is an address of a kind that this machine does not support.`,
    ENOTFOUND: `HOST ${host} is a name that cannot be resolved: set it to an address of this machine.`,
    EAI_AGAIN: `HOST ${host} is a name that cannot be resolved: set it to an address of this machine.`,
    EINVAL: `HOST ${host} is not an address that a server can listen on.`,
  };
  const sentence = sentences[error.code ?? ''];
  return sentence === undefined ? error : new ListenError(sentence, { cause: error });
}
