import type { Express } from 'express';
import request from 'supertest';

/** A password that the policy accepts. */
export const NEW_PASSWORD = 'correct horse battery staples';

type Headers = Record<string, string>;

/** Changes the caller's password. */
export const changePassword = (
  app: Express,
  who: { accessToken: string; password: string },
  newPassword = NEW_PASSWORD,
  headers: Headers = {},
) =>
  request(app)
    .post('/api/auth/password')
    .set({ authorization: `Bearer ${who.accessToken}`, ...headers })
    .send({ currentPassword: who.password, newPassword });

/** Asks for a link for a new password. */
export const forgot = (app: Express, email: string, headers: Headers = {}) =>
  request(app).post('/api/auth/password/forgot').set(headers).send({ email });

/** Sets a new password with a link, as JSON. */
export const reset = (app: Express, path: string, newPassword = NEW_PASSWORD) =>
  request(app).post(path).send({ newPassword });
