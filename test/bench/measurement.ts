import type { Candidate } from './candidates.ts';

/** One figure of one server in one round. */
export interface Measurement {
  readonly value: number;
  /** Processor time of the server for each operation. Milliseconds. */
  readonly user?: number;
  readonly system?: number;
  /** Processor time of the server for each that the driver spent meanwhile: what moves least from machine to machine and with what else it does. */
  readonly share?: number;
  /** Memory of the server behind it. MiB. */
  readonly residentMiB?: number;
}

/** What work came to. */
interface Done {
  readonly value: number;
  /** How many operations the processor time is shared by. */
  readonly operations: number;
}

/** Does the work, and looks at the processors before and behind it. */
export async function measured<Result extends Done>(
  server: Candidate,
  work: () => Promise<Result>,
): Promise<Result & { measurement: Measurement }> {
  const before = server.usage;
  const driverBefore = process.cpuUsage();
  const done = await work();
  const driver = process.cpuUsage(driverBefore);
  const { user, system } = server.usage;
  const [used, inKernel] = [user - before.user, system - before.system];
  const measurement = {
    value: done.value,
    user: (used * 1000) / done.operations,
    system: (inKernel * 1000) / done.operations,
    share: (used + inKernel) / ((driver.user + driver.system) / 1e6),
    residentMiB: server.residentMiB,
  };
  return { ...done, measurement };
}
