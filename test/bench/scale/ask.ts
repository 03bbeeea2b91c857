import { type Address, Connection } from '../connection.ts';
import { type Expected, exchange } from '../load.ts';
import { median, quantile } from '../ratios.ts';

/** How clients were served who asked for so long. */
interface Served {
  readonly count: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Clients who ask without a pause for what `next` gives them. */
export async function ask(
  server: Address,
  next: () => readonly Expected[],
  { clients, seconds }: { readonly clients: number; readonly seconds: number },
): Promise<Served> {
  const startedAt = performance.now();
  const end = startedAt + seconds * 1000;
  const times: number[] = [];
  const one = async (): Promise<void> => {
    using connection = new Connection(server);
    while (performance.now() < end) {
      const begunAt = performance.now();
      for (const expected of next()) await exchange(connection, expected);
      times.push(performance.now() - begunAt);
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
  const perSecond = (times.length * 1000) / (performance.now() - startedAt);
  return { count: times.length, perSecond, medianMs: median(times), p99Ms: quantile(times, 0.99) };
}
