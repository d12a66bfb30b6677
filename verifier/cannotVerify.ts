/**
 * Thrown if something that was given beside the bundle cannot be understood. The verifier then
 * gives no verdict on the bundle.
 */
export class CannotVerifyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CannotVerifyError';
  }
}
