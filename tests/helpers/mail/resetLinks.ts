import { forgot } from '../http/passwordCalls';
import { HOME } from '../people/traveller';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeededAuth } from '../seedAuth';
import { openMailNode } from './mailNode';
import { startMailServer } from './mailServer';
import type { MailServer } from './mailServer';

/** Returns the path of the link in a mail. */
export const pathIn = (text: string): string =>
  /https:\/\/id\.example(\/\S+)/.exec(text)?.[1] ?? '';

type MailNode = ReturnType<typeof openMailNode>;

/** Two nodes that mail links for new passwords, and the server that receives the mails. */
export interface ResetLinks {
  server: MailServer;
  node: MailNode;
  other: MailNode;
  /** Waits for what is done beside an answer, and returns the links to a person, oldest first. */
  linksTo(person: { email: string }): Promise<string[]>;
  /** Makes a person who has asked for a link. */
  forgetful(): Promise<{ member: SeededAuth; path: string }>;
}

export async function openResetLinks(): Promise<ResetLinks> {
  const server = await startMailServer();
  const [node, other] = [openMailNode(server), openMailNode(server)];
  async function linksTo({ email }: { email: string }): Promise<string[]> {
    await Promise.all([node.deps.mail.settle(), other.deps.mail.settle()]);
    return server.received.filter(({ to }) => to.includes(email)).map(({ text }) => pathIn(text));
  }
  return {
    ...{ server, node, other, linksTo },
    async forgetful() {
      const member = await seedTestUserAndToken();
      expect((await forgot(node.app, member.email, HOME)).status).toBe(202);
      const [path = ''] = await linksTo(member);
      return { member, path };
    },
  };
}
