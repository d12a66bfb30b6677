// A protected API with NestJS and the guard.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import {
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpException,
  Module,
  Param,
  Req,
} from '@nestjs/common';
import { ServiceUnavailableException, UseGuards } from '@nestjs/common';
import type { CanActivate } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Request, Response } from 'express';
import { createGuard, toAct } from 'gatehouse/guard';
import type { Need, Principal } from 'gatehouse/guard';

const url = process.env['GATEHOUSE_URL'] ?? '';
const serviceKey = process.env['GATEHOUSE_SERVICE_KEY'] ?? '';
// Without onProblem, nobody hears of a refused service key: every request only gets 503.
const onProblem = ({ message }: Error) => console.error(message);
const guard = createGuard({ url, serviceKey, onProblem });
const principals = new WeakMap<Request, Principal>();

/** Returns who sent a request that one of the guards below has admitted. */
function principalOf(req: Request): Principal {
  const principal = principals.get(req);
  if (!principal) throw new Error('No guard has admitted this request.');
  return principal;
}

/** Returns a guard of Nest that admits a request with what it needs. */
const needs = (needOf: (req: Request) => Need): CanActivate => ({
  async canActivate(context) {
    const http = context.switchToHttp();
    const req = http.getRequest<Request>();
    const origin = { address: req.ip };
    const decision = await guard.decide(req.headers.authorization, needOf(req), origin);
    if (!decision.allowed) {
      const { status, headers, body } = decision.refusal;
      http.getResponse<Response>().set({ ...headers, 'cache-control': 'no-store' });
      throw new HttpException(body, status);
    }
    principals.set(req, decision.principal);
    return true;
  },
});

const permission = (name: string) => needs(() => ({ permissions: [name] }));

/** Admits a person with a proof for exactly this request, and uses the proof up. */
const proof = (purpose: string, route: string) =>
  needs(({ method, params, query, body }) => ({
    consume: { purpose, act: toAct({ method, route, params, query, body: body ?? null }) },
  }));

/** Writes an event into the audit log. Throws if Gatehouse has not stored it. */
async function record(req: Request, action: string, details: object): Promise<void> {
  const { tenantId, staffId } = principalOf(req);
  const event = { action, tenant: tenantId, actor: { staffId }, address: req.ip, details };
  const answer = await fetch(`${url}/api/audit/events`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${serviceKey}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({ events: [event] }),
    signal: AbortSignal.timeout(5000),
  }).catch(() => undefined);
  if (!answer?.ok) throw new ServiceUnavailableException('The event was not recorded.');
}

@Controller('projects')
class Projects {
  @Get()
  @UseGuards(permission('app:projects.view'))
  list(@Req() req: Request) {
    return { tenant: principalOf(req).tenant, projects: [] };
  }

  // The proof comes last, because it is used up.
  @Delete(':id')
  @HttpCode(204)
  @UseGuards(permission('app:projects.delete'), proof('app:delete_project', '/projects/:id'))
  async remove(@Req() req: Request, @Param('id') id: string): Promise<void> {
    // First the event: nothing is deleted without one.
    await record(req, 'app.project.deleted', { project: id });
  }
}

@Module({ controllers: [Projects] })
class Api {}

async function start(): Promise<void> {
  const app = await NestFactory.create(Api, { logger: ['error', 'warn'] });
  await app.listen(Number(process.env['PORT']), '127.0.0.1');
  console.log(`listening on ${await app.getUrl()}`);
}
void start();
