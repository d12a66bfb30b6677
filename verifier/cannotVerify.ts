/** What was given beside the bundle cannot be understood: nothing is said of the bundle then. */
export class CannotVerifyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CannotVerifyError';
  }
}
