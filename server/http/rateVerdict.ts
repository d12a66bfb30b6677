import type { Principal, ServiceCaller } from '../context';

/** The policies for requests that a service sends often. */
export type ServicePolicy = 'events' | 'introspect';

/** The sender of a request, as the rate limits see it: a person, a program, or an address. */
export type Caller =
  | { readonly principal: Pick<Principal, 'userId' | 'tenantId' | 'apiKeyId' | 'impersonation'> }
  | {
      readonly service: Pick<ServiceCaller, 'keyId'>;
      /** The policy for requests of this kind, if it is not that of all keys. */
      readonly policy?: ServicePolicy | undefined;
    }
  | AnonymousCaller
  | (AnonymousCaller & {
      /** Its credentials were refused. */
      readonly refused: true;
      /** The session of an access token that was ours, but that has ended. */
      readonly session?: string | undefined;
    });

interface AnonymousCaller {
  /** Null if the client's own address is unknown. */
  readonly ip: string | null;
  readonly deviceCookie: string | undefined;
}

/** How much of one policy is left. */
export interface RateStatus {
  readonly policy: string;
  readonly quota: number;
  readonly windowSec: number;
  readonly remaining: number;
  /** Seconds until the whole quota is available again. */
  readonly resetSec: number;
}

/** The result of counting a request. */
export interface RateVerdict {
  /** One for each policy that counted the request. */
  readonly statuses: readonly RateStatus[];
  /** The policies whose quota is used up; empty if the request may go on. */
  readonly violated: readonly string[];
}
