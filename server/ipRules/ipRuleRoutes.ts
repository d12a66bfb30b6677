import { assertRowId } from '../db/ids';
import { json } from '../http/answers';
import { contextOf, principalOf } from '../http/request';
import { endpoint } from '../http/routeTable';
import { AppError } from '../errors';
import { changeIpRules, showIpRules } from './changeIpRules';
import type { IpRuleDeps } from './deps';
import { matchRules } from './planRules';
import { shownRules, simulatedRules } from './ruleAnswers';
import {
  addBody,
  changeBody,
  confirmBody,
  deleteQuery,
  lockoutQuery,
  replaceBody,
  ruleParams,
  simulateBody,
} from './ruleInput';
import type { StoredRule } from './ruleStore';
import { simulateIpRules } from './simulateIpRules';
import { resumeRules } from './suspendRules';
import { confirmTrial, withdrawTrial } from './trials';

type RouteDeps = IpRuleDeps & { riskDecisions: { flush(): Promise<void> } };

const LOCKS_OUT = 'IP_RULES_LOCK_OUT: with the rule that refuses your address' as const;
const CHANGED = 'CONFLICT: the rules have changed since you read them' as const;
const TRIAL_RUNS = 'IP_RULE_TRIAL_RUNS' as const;

/** Finds the rule that a path names. */
function findRule(rules: readonly StoredRule[], id: string): StoredRule {
  const found = rules.find((rule) => rule.id === id.toLowerCase());
  if (!found) throw new AppError('NOT_FOUND');
  return found;
}

/** The routes that change one rule. */
function ruleRoutes(deps: RouteDeps) {
  const responses = { 200: json('All rules after the change', shownRules) };
  return {
    addIpRule: endpoint({
      summary: 'Add one IP rule',
      body: addBody,
      responses,
      errors: [TRIAL_RUNS, LOCKS_OUT, 'TOO_MANY_IP_RULES'],
      async handle(req, res, { body: { confirmLockout, ...rule } }) {
        const set = await changeIpRules(deps, contextOf(req), principalOf(req), {
          toWanted: (rules) => [...rules, rule],
          pathOf: () => '',
          confirmLockout,
        });
        res.json(set);
      },
    }),
    changeIpRule: endpoint({
      summary: 'Change one IP rule',
      params: ruleParams,
      body: changeBody,
      responses,
      errors: ['NOT_FOUND', CHANGED, TRIAL_RUNS, LOCKS_OUT],
      async handle(req, res, { params, body: { confirmLockout, version, ...rule } }) {
        assertRowId(params.id);
        const set = await changeIpRules(deps, contextOf(req), principalOf(req), {
          toWanted(rules) {
            const { id } = findRule(rules, params.id);
            return rules.map((one) => (one.id === id ? { ...rule, id } : one));
          },
          pathOf: () => '',
          confirmLockout,
          version,
        });
        res.json(set);
      },
    }),
    deleteIpRule: endpoint({
      summary: 'Delete one IP rule',
      params: ruleParams,
      query: deleteQuery,
      responses,
      errors: ['NOT_FOUND', CHANGED, TRIAL_RUNS, LOCKS_OUT],
      async handle(req, res, { params, query }) {
        assertRowId(params.id);
        const set = await changeIpRules(deps, contextOf(req), principalOf(req), {
          toWanted(rules) {
            const { id } = findRule(rules, params.id);
            return rules.filter((one) => one.id !== id);
          },
          pathOf: () => '',
          ...query,
        });
        res.json(set);
      },
    }),
  };
}

/** The routes of a trial and of a suspension. */
function trialRoutes(deps: RouteDeps) {
  const responses = { 200: json('All rules after the change', shownRules) };
  return {
    confirmIpRuleTrial: endpoint({
      summary: 'Keep the IP rules that are tried out',
      body: confirmBody,
      responses,
      errors: [CHANGED, 'NO_IP_RULE_TRIAL', LOCKS_OUT],
      async handle(req, res, { body }) {
        res.json(await confirmTrial(deps, contextOf(req), principalOf(req), body.version));
      },
    }),
    withdrawIpRuleTrial: endpoint({
      summary: 'Take back the IP rules that are tried out',
      query: lockoutQuery,
      responses,
      errors: ['NO_IP_RULE_TRIAL', LOCKS_OUT],
      async handle(req, res, { query }) {
        const { confirmLockout } = query;
        res.json(await withdrawTrial(deps, contextOf(req), principalOf(req), confirmLockout));
      },
    }),
    resumeIpRules: endpoint({
      summary: 'Put IP rules that an operator suspended in force again',
      query: lockoutQuery,
      responses,
      errors: ['IP_RULES_NOT_SUSPENDED', LOCKS_OUT],
      async handle(req, res, { query: { confirmLockout } }) {
        res.json(await resumeRules(deps, contextOf(req), principalOf(req), confirmLockout));
      },
    }),
  };
}

/** The routes by which a tenant limits the addresses of its people and its API keys. */
export const ipRuleRoutes = (deps: RouteDeps) => ({
  ipRules: endpoint({
    summary: "The tenant's IP rules",
    responses: { 200: json('All rules, and those of a trial', shownRules) },
    errors: [],
    async handle(req, res) {
      res.json(await showIpRules(deps, principalOf(req).tenantId));
    },
  }),
  replaceIpRules: endpoint({
    summary: 'Replace all IP rules, or try others out',
    body: replaceBody,
    takesBatch: true,
    responses: { 200: json('All rules after the change', shownRules) },
    errors: [CHANGED, TRIAL_RUNS, LOCKS_OUT],
    async handle(req, res, { body: { rules: wanted, ...options } }) {
      const set = await changeIpRules(deps, contextOf(req), principalOf(req), {
        toWanted: (rules) => matchRules(rules, wanted),
        pathOf: (at) => `rules.${at}.`,
        ...options,
      });
      res.json(set);
    },
  }),
  simulateIpRules: endpoint({
    summary: 'Replay recent sign-ins under other IP rules',
    body: simulateBody,
    takesBatch: true,
    responses: { 200: json('Who would have been refused, and from where', simulatedRules) },
    errors: ['SIMULATION_BUSY'],
    async handle(req, res, { body }) {
      const principal = principalOf(req);
      const simulate = () => simulateIpRules(deps, contextOf(req), principal, body);
      res.json(await deps.simulations.run(principal.tenantId, simulate));
    },
  }),
  ...ruleRoutes(deps),
  ...trialRoutes(deps),
});
