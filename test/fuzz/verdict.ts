import { request } from 'node:http';
import type { TransportRequest } from '#src/net/transport.ts';
import type { Wire } from '#src/net/wire/wire.ts';

/** What a client makes of an answer. */
export interface Verdict {
  readonly status: number;
  /** Lower-case names; repeated headers joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** In Latin-1. */
  readonly body: string;
}

/** Undefined: it refuses it. */
export async function verdictOf(
  wire: Wire,
  asked: Pick<TransportRequest, 'method' | 'url' | 'bulk'>,
): Promise<Verdict | undefined> {
  try {
    await using response = await wire.send(asked);
    let body = '';
    for await (const chunk of response.body) body += chunk.toString('latin1');
    return { status: response.status, headers: { ...response.headers }, body };
  } catch {
    return undefined;
  }
}

/** By Node's own parser, on a connection for this alone. Undefined: it refuses it. */
export async function referenceVerdict(method: string, url: URL): Promise<Verdict | undefined> {
  return await new Promise((resolve) => {
    const refuse = () => resolve(undefined);
    let isComplete = () => false;
    const asked = request(url, { method, agent: false, maxHeaderSize: 32 * 1024 }, (response) => {
      isComplete = () => response.complete;
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('error', refuse);
      response.on('close', () => {
        if (!response.complete) refuse();
        resolve({ status: response.statusCode ?? 0, headers: joined(response.rawHeaders), body });
        asked.destroy();
      });
    });
    asked.on('error', () => {
      // What is wrong behind the answer is not this answer's.
      if (!isComplete()) refuse();
    });
    asked.on('upgrade', (_, socket) => {
      socket.destroy();
      refuse();
    });
    asked.end();
  });
}

function joined(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}
