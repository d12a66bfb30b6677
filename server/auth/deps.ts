import type { SecurityDeps } from '../security';
import type { AccessTokens } from './accessTokens';
import type { BreachedPasswords } from './passwords/breachedPasswords';
import type { FairQueue } from './fairQueue';
import type { PasswordHasher } from './passwords/passwordHasher';
import type { SessionCheck } from './sessionCheck';

/** The parts that signing in adds. */
export interface AuthParts {
  passwords: PasswordHasher;
  /** In front of what a login looks up before its password is checked. */
  lookUps: FairQueue;
  breachedPasswords: BreachedPasswords;
  accessTokens: AccessTokens;
  sessionCheck: SessionCheck;
}

/** The dependencies that functions of `auth/` may ask for. */
export type AuthDeps = SecurityDeps & AuthParts;
