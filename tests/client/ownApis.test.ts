import express from 'express';
import { GUARDED, ME, openScene, paths, person } from '@/tests/helpers/browser/clientScene';
import { statusOf } from '@/tests/helpers/browser/clientScene';
import { listen } from '@/tests/helpers/http/listen';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
let ownUrl: string;
const seen: (string | undefined)[] = [];
const last = () => seen.at(-1);

/** Listens on an origin of its own, and answers what Gatehouse says of the bearer token. */
async function openOwnApi(gatehouse: string): Promise<string> {
  const api = express();
  const ask = (path: string) => async (req: express.Request, res: express.Response) => {
    seen.push(req.headers.authorization);
    const headers = { authorization: req.headers.authorization ?? '' };
    const answer = await fetch(`${gatehouse}${path}`, { headers });
    res.status(answer.status).json(await answer.json());
  };
  api.get('/v1/orders', ask(ME));
  api.get('/v1/danger', ask(GUARDED));
  api.use((req, res) => {
    seen.push(req.headers.authorization);
    res.status(404).json({});
  });
  return listen(api);
}

beforeAll(async () => {
  scene = await openScene();
  ownUrl = await openOwnApi(scene.url);
});

describe('an API of the team’s own at another origin', () => {
  it('gets the bearer token if apiUrls names it, and a new one after a 401', async () => {
    const { tab } = await scene.signedIn({ apiUrls: [`${ownUrl}/v1`] });
    expect(await statusOf(tab.client.fetch(`${ownUrl}/v1/orders`))).toBe(200);
    const first = last();
    scene.clock.forward(400);
    expect(await statusOf(tab.client.fetch(`${ownUrl}/v1/orders`))).toBe(200);
    expect(last()).toMatch(/^Bearer /);
    expect(last()).not.toBe(first);
  });

  it('has the person asked at its 428, and the request repeated', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn({ ...who, apiUrls: [`${ownUrl}/v1/`] });
    who.answers.push(() => nextCode());
    expect(await statusOf(tab.client.fetch(`${ownUrl}/v1/danger`))).toBe(200);
    expect(who.asked).toMatchObject([{ purpose: 'security_settings' }]);
    expect(paths(tab).slice(1)).toEqual([
      '/v1/danger',
      '/api/security/step-up/verify',
      '/v1/danger',
    ]);
  });

  it.each([
    ['not named', [], '/v1/orders'],
    ['named only with another path', ['/v2'], '/v1/orders'],
    ['a neighbour whose name begins alike', ['/v1'], '/v1other/orders'],
    ['left by two dots', ['/v1'], '/v1/../orders'],
  ])('gets no bearer token if it is %s', async (_what, named, path) => {
    const { tab } = await scene.signedIn({ apiUrls: named.map((part) => `${ownUrl}${part}`) });
    await statusOf(tab.client.fetch(`${ownUrl}${path}`));
    expect(last()).toBeUndefined();
  });
});
