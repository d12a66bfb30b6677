import { Scene, TENANT } from './scene';
jest.setTimeout(60_000);
it('smoke', async () => {
  const scene = await Scene.withLog();
  console.log(await scene.verify());
  console.log(await scene.verify('--json'));
  const { event_id } = await scene.leaf(7);
  await scene.tamper(`UPDATE audit_logs SET actor = 'x' WHERE id = '${event_id}'`);
  console.log(await scene.verify());
  console.log(await scene.verify('--nope'));
  await scene.close();
});
