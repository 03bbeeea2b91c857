import { join } from 'node:path';
import { Ociregistry } from './ociregistry.ts';

/** What clients were answered by a server, and what it did beside. */
export interface Isolated {
  readonly answers: readonly { readonly request: string; readonly status: number; readonly body: string }[];
  /** What it connected to or looked up, by Node's names for it. */
  readonly dials: readonly string[];
}

/** Runs in a process of its own, in a network where nobody else is: its argument are the settings and the requests (`HEAD /v2/…`). */
async function run(
  settings: Readonly<Record<string, unknown>>,
  requests: readonly string[],
): Promise<Isolated> {
  const hook = join(import.meta.dirname, 'told-dials.mjs');
  await using server = await Ociregistry.start({ settings, env: { NODE_OPTIONS: `--import=${hook}` } });
  const answers: Isolated['answers'][number][] = [];
  for (const request of requests) {
    const [method = '', path = ''] = request.split(' ');
    const response = await fetch(`${server.url}${path}`, { method });
    answers.push({ request, status: response.status, body: await response.text() });
  }
  await server.stop('SIGTERM');
  return { answers, dials: server.output.split('\n').filter((line) => line.startsWith('DIALS ')) };
}

if (import.meta.main) {
  const [, , text = '{}'] = process.argv;
  const { settings, requests } = JSON.parse(text) as {
    readonly settings: Readonly<Record<string, unknown>>;
    readonly requests: readonly string[];
  };
  process.stdout.write(JSON.stringify(await run(settings, requests)));
}
