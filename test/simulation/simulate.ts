import { Client } from './client.ts';
import { Door } from './door.ts';
import type { Finding } from './findings.ts';
import { ForsakenSignals } from './forsaken-signals.ts';
import { promiseMs } from './judge.ts';
import type { Had } from './ledger.ts';
import type { CrashPlan, Plan } from './plan.ts';
import { Server } from './server.ts';
import { short, Trace } from './trace.ts';
import { World } from './world.ts';

export interface SimulateOptions {
  /** Findings with one of these in their words do not end the run. */
  readonly passedOver?: readonly string[];
  readonly onLine?: (line: string) => void;
}

export interface Result {
  readonly findings: readonly Finding[];
  /** The first that is not passed over. */
  readonly first: Finding | undefined;
  readonly steps: number;
  /** The same for each run of a plan. */
  readonly hash: string;
  readonly trace: Trace;
}

/** So much may be lost by a power cut: the store’s own second, and half a second of the index. Milliseconds. */
const powerMs = 2000;
/** So many of the things that clients had are asked for after a crash. */
const maxAudited = 80;
/** Whoever waits longer than this after the end waits for ever. Milliseconds. */
const graceMs = 300_000;
const startMs = 200;
/** What was given up by then is tried again much later. Milliseconds. */
const completeMs = 15 * 60_000;

/** Runs one scenario to its end, or to its first finding. */
export async function simulate(
  plan: Plan,
  { passedOver = [], onLine }: SimulateOptions = {},
): Promise<Result> {
  const trace = new Trace(onLine);
  const world = new World(plan, trace, passedOver);
  const lost = (reason: unknown): void => {
    world.findings.add(
      'no rejection is lost',
      short(reason instanceof Error ? (reason.stack ?? '') : String(reason)),
    );
  };
  process.on('unhandledRejection', lost);
  using _signals = new ForsakenSignals();
  try {
    await new Scenario(world).run();
  } finally {
    process.off('unhandledRejection', lost);
  }
  const { findings, scheduler } = world;
  return { findings: findings.all, first: findings.first, steps: scheduler.steps, hash: trace.hash, trace };
}

class Scenario {
  readonly #world: World;
  readonly #door: Door;
  #running = 0;

  constructor(world: World) {
    this.#world = world;
    this.#door = new Door(world);
  }

  async run(): Promise<void> {
    const { plan, scheduler, findings } = this.#world;
    this.#do('start', async () => await this.#start());
    for (const crash of plan.crashes) this.#do('crash', async () => await this.#crash(crash));
    for (const { at, image } of plan.prunes)
      this.#do('prune', async () => {
        await this.#pause(at);
        // Of a life that ends meanwhile nothing more is heard.
        void this.#door.server?.prune(image).catch((error: unknown) => this.#pruningFailed(error));
      });
    for (const { at, image } of plan.moves) scheduler.after(at, undefined, () => this.#world.move(image));
    for (const spoil of plan.spoils) scheduler.after(spoil.at, undefined, () => this.#world.spoil(spoil));
    for (const client of plan.clients) {
      this.#do(`client ${client.id}`, async () => await new Client(client, this.#world, this.#door).run());
    }
    const isStuck = (): boolean => scheduler.time > plan.durationMs + graceMs;
    await scheduler.run(() => this.#running === 0 || findings.first !== undefined || isStuck());
    if (findings.first === undefined && this.#running > 0) this.#sayWhoWaits();
    await this.#end();
  }

  /** All that is done at once; the scenario is over when it is. */
  #do(what: string, work: () => Promise<void>): void {
    this.#running += 1;
    work()
      .catch((error: unknown) => {
        if (this.#world.findings.first === undefined) throw new Error(`${what} failed`, { cause: error });
      })
      .finally(() => {
        this.#running -= 1;
      })
      .catch((error: unknown) =>
        this.#world.findings.add('no rejection is lost', String((error as Error).cause)),
      );
  }

  #pruningFailed(error: unknown): void {
    if (this.#world.plan.full === undefined)
      this.#world.findings.add('everything ends', `pruning failed: ${String(error)}`);
  }

  async #start(): Promise<void> {
    this.#door.server = await Server.start(this.#world);
  }

  async #crash({ kind, at }: CrashPlan): Promise<void> {
    await this.#pause(at);
    const { server } = this.#door;
    if (server === undefined) return;
    const { ledger, time } = this.#world;
    this.#door.server = undefined;
    await server.crash(kind);
    ledger.keepBefore(time - (kind === 'power' ? powerMs : promiseMs));
    await this.#pause(startMs);
    await this.#start();
    await this.#audit();
  }

  /** Upstream is down: what is promised must be here. */
  async #audit(): Promise<void> {
    const { faults, ledger, random } = this.#world;
    faults.isOutage = true;
    this.#door.isAudit = true;
    for (const had of random.fork('audit').shuffled(ledger.all).slice(0, maxAudited)) {
      if (this.#world.findings.first !== undefined) break;
      await this.#askFor(had);
    }
    faults.isOutage = false;
    this.#door.isAudit = false;
  }

  async #askFor({ repository, kind, reference }: Had): Promise<void> {
    if (kind === 'blob') await this.#door.getBlob('auditor', repository, reference as never, { chunkMs: 0 });
    else await this.#door.getManifest('auditor', repository, reference);
  }

  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => this.#world.scheduler.after(milliseconds, undefined, resolve));
  }

  #sayWhoWaits(): void {
    const { waiting, findings } = this.#world;
    for (const [name, since] of waiting)
      findings.add('everything ends', `${name} has waited since ${(since / 1000).toFixed(3)} s`);
    if (waiting.size === 0) findings.add('everything ends', 'the scenario itself does not end');
  }

  /** Nobody asks any more, and upstream is well. */
  async #checkCompleted(server: Server): Promise<void> {
    const { plan, faults, scheduler } = this.#world;
    // Without room nothing is kept.
    if (!plan.complete || plan.full !== undefined || plan.maxSize > 0) return;
    faults.endAt(scheduler.time);
    const checked = { isOver: false };
    this.#do('check of what is complete', async () => {
      await this.#pause(completeMs);
      for (const manifest of await server.wanted()) this.#door.foundLacking(manifest);
      checked.isOver = true;
    });
    await scheduler.run(() => checked.isOver);
  }

  async #end(): Promise<void> {
    const { findings, scheduler } = this.#world;
    const { server } = this.#door;
    if (findings.first !== undefined || server === undefined) {
      await server?.discard();
      return;
    }
    await this.#checkCompleted(server);
    const stopping = { isOver: false };
    this.#do('stop', async () => {
      await server.stop();
      stopping.isOver = true;
    });
    const since = scheduler.time;
    await scheduler.run(() => stopping.isOver || scheduler.time > since + graceMs);
    if (!stopping.isOver) findings.add('everything ends', 'the server does not stop');
  }
}
