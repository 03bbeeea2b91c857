import type { Preflight } from '../app/preflight/preflight.ts';
import type { Clock } from '../base/clock.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Version } from '../process/version.ts';
import type { DoctorOrder } from './doctor.ts';
import type { AccessOrder } from './explain-access.ts';
import type { ExportCommand } from './export.ts';
import type { HtpasswdOrder } from './htpasswd.ts';
import type { ImportCommand } from './import.ts';
import type { ListOrder } from './list.ts';
import type { LoadOrder } from './load.ts';
import type { LongStart } from './long-start.ts';
import type { PinCommand } from './pin.ts';
import type { PruneOrder } from './prune.ts';
import type { RefreshOrder } from './refresh.ts';
import type { VerifyOrder } from './verify.ts';
import type { WantedOrder } from './wanted.ts';

interface Output {
  write(text: string): unknown;
}

/** What the program needs of the process around it. */
export interface ProgramParts {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly version: Version;
  /** Default: that of the process. */
  readonly clock?: Clock;
  /** A server is about to start, and hears signals from here on. */
  readonly hearSignals: () => void;
  /** True when the server has ended as it was told to, false when it could not start and has said why; rejects where nothing was said yet. */
  readonly serve: (loaded: LoadedConfig, start: LongStart) => Promise<boolean>;
  /** Says what is wrong in the form of the log, which is not open yet. */
  readonly announce: (config: Config, text: string) => unknown;
  /** What a start would stumble over. */
  readonly preflight: (loaded: LoadedConfig, tryPorts: boolean) => Promise<Preflight>;
  /** True: nothing failed. Throws RegistryError for a name that is none, ConfigError for the environment. */
  readonly doctor: (loaded: LoadedConfig, order: DoctorOrder) => Promise<boolean>;
  /** True: he may. Throws RegistryError for a name that is none. */
  readonly explainAccess: (loaded: LoadedConfig, order: AccessOrder) => Promise<boolean>;
  /** True: all is loaded. Rejects where nothing could be begun. */
  readonly load: (loaded: LoadedConfig, order: LoadOrder) => Promise<boolean>;
  /** True: nothing is wrong. Rejects where nothing could be begun. */
  readonly verify: (loaded: LoadedConfig, order: VerifyOrder) => Promise<boolean>;
  /** True: all that was wanted is exported. Rejects where nothing is. */
  readonly export: (loaded: LoadedConfig, command: ExportCommand) => Promise<boolean>;
  /** True: all is imported. Rejects where nothing could be begun. */
  readonly import: (loaded: LoadedConfig, command: ImportCommand) => Promise<boolean>;
  /** Rejects where it cannot be read. */
  readonly list: (loaded: LoadedConfig, order: ListOrder) => Promise<void>;
  /** Rejects where there is no such entry to make, or no such file to put it in. */
  readonly htpasswd: (order: HtpasswdOrder) => Promise<void>;
  /** Rejects where nothing could be removed. */
  readonly prune: (loaded: LoadedConfig, order: PruneOrder) => Promise<void>;
  /** Likewise. */
  readonly wanted: (loaded: LoadedConfig, order: WantedOrder) => Promise<void>;
  /** True: something matched. Rejects where it cannot be changed. */
  readonly pin: (loaded: LoadedConfig, order: PinCommand) => Promise<boolean>;
  /** True: something matched, and all of it was asked for. Rejects where nothing could be begun. */
  readonly refresh: (loaded: LoadedConfig, order: RefreshOrder) => Promise<boolean>;
}
