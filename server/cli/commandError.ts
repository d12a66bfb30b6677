/** Thrown if a command cannot be carried out; the message is one plain sentence. */
export class CommandError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CommandError';
  }
}
