/** Gatehouse could not be asked, or gave an answer that cannot be used. */
export class Unavailable extends Error {
  constructor(
    message: string,
    readonly retryAfterSec = 1,
  ) {
    super(message);
  }
}

/** Gatehouse has refused the service key. People have to look at it. */
export class ServiceKeyRefused extends Unavailable {
  constructor(path: string, status: number) {
    super(
      `${path} answered ${status}: check the service key, its scope (introspect) and its addresses`,
    );
  }
}

/** Returns the error for a status that cannot be used. */
export const refusalOf = (path: string, status: number, retryAfterSec = 1): Unavailable =>
  status === 401 || status === 403
    ? new ServiceKeyRefused(path, status)
    : new Unavailable(`${path} answered ${status}`, retryAfterSec);

/**
 * Waits for work for a limited time. The work goes on, so that the next request finds its result.
 * @throws Unavailable if the time is over
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Unavailable('the answer did not come in time')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
