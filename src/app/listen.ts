import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { type RunningServer, type ServerSettings, type ServerTls, startServer } from '../http/server.ts';
import { CannotListen, doorOf, type PortKey } from './cannot-listen.ts';

/** A connection may be silent for so long, or a minute longer than upstream may take for a first answer. Milliseconds. */
const minIdleMs = 300_000;

export interface Listening {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxConnections: number;
  /** What holds the port. */
  readonly at: PortKey;
  readonly tls?: ServerTls | undefined;
  /** As {@link ServerSettings.takesBodies}. */
  readonly takesBodies?: ServerSettings['takesBodies'];
}

/** Throws CannotListen. */
export async function listen(
  listener: Parameters<typeof startServer>[0],
  { config, at, ...settings }: Listening,
): Promise<RunningServer> {
  const { host, port } = doorOf(at, config);
  const idleTimeoutMs = Math.max(minIdleMs, config.pullTimeout + 60_000);
  try {
    return await startServer(listener, { host, port, idleTimeoutMs, ...settings });
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw new CannotListen(at, config, cause);
  }
}
