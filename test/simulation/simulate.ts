import { BundleJobs } from './bundle-jobs.ts';
import { Client } from './client.ts';
import { Door } from './door.ts';
import type { Finding } from './findings.ts';
import { ForsakenSignals } from './forsaken-signals.ts';
import { auditHosted } from './hosted-audit.ts';
import { promiseMs } from './judge.ts';
import { lastLook } from './last-look.ts';
import type { CrashPlan, Plan } from './plan.ts';
import { Pusher } from './pusher.ts';
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

/** Nothing is leased for longer, nor waits for longer as an upload. Milliseconds. */
const leasedMs = 2 * 3_600_000;

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
  /** Of each server. */
  readonly #doors: readonly Door[];
  readonly #bundles: BundleJobs;
  #running = 0;

  constructor(world: World) {
    this.#world = world;
    this.#doors = world.plan.isShared
      ? [new Door(world, 'one: '), new Door(world, 'two: ')]
      : [new Door(world)];
    this.#bundles = new BundleJobs(world, this.#doors);
  }

  async run(): Promise<void> {
    const { plan, scheduler, findings } = this.#world;
    for (const door of this.#doors) this.#do('start', async () => await this.#start(door));
    for (const crash of plan.crashes) this.#do('crash', async () => await this.#crash(crash));
    for (const [place, { at, image }] of plan.prunes.entries())
      this.#do('prune', async () => {
        await this.#pause(at);
        // Of a life that ends meanwhile nothing more is heard.
        const { server } = this.#doorOf(place);
        void server?.prune(image).catch((error: unknown) => this.#pruningFailed(error));
      });
    for (const bundle of plan.bundles)
      this.#do(bundle.kind, async () => {
        await this.#pause(bundle.at);
        await this.#bundles.run(bundle);
      });
    for (const { at, image } of plan.moves) scheduler.after(at, undefined, () => this.#world.move(image));
    for (const { at, image } of plan.deletions)
      scheduler.after(at, undefined, () => this.#world.deleteTag(image));
    for (const spoil of plan.spoils) scheduler.after(spoil.at, undefined, () => this.#world.spoil(spoil));
    for (const pusher of plan.pushers) {
      const usual = this.#doorOf(pusher.id);
      const doors = [usual, ...this.#doors.filter((door) => door !== usual)];
      this.#do(`pusher ${pusher.id}`, async () => await new Pusher(pusher, this.#world, doors).run());
    }
    for (const client of plan.clients) {
      const door = this.#doorOf(client.id);
      this.#do(`client ${client.id}`, async () => await new Client(client, this.#world, door).run());
    }
    const isStuck = (): boolean => scheduler.time > plan.durationMs + graceMs;
    await scheduler.run(() => this.#running === 0 || findings.first !== undefined || isStuck());
    if (findings.first === undefined && this.#running > 0) this.#sayWhoWaits();
    await this.#finish();
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

  /** Where several servers are, somebody always asks the same one. */
  #doorOf(place: number): Door {
    return this.#doors[place % this.#doors.length] as Door;
  }

  async #start(door: Door): Promise<void> {
    door.server = await Server.start(this.#world, door.name);
  }

  async #crash({ kind, at, isOfSecond = false }: CrashPlan): Promise<void> {
    await this.#pause(at);
    const doors = kind === 'power' ? this.#doors : [this.#doorOf(isOfSecond ? 1 : 0)];
    const servers = doors.flatMap(({ server }) => server ?? []);
    if (servers.length < doors.length) return;
    const { ledger, time } = this.#world;
    for (const door of doors) door.server = undefined;
    await this.#end(servers, kind);
    ledger.keepBefore(time - (kind === 'power' ? powerMs : promiseMs));
    await this.#pause(startMs);
    for (const door of doors) await this.#start(door);
    for (const door of doors) await this.#audit(door);
  }

  /** What is cut is cut for all at a time. */
  async #end(servers: readonly Server[], kind: CrashPlan['kind']): Promise<void> {
    const [first, ...others] = servers;
    if (kind === 'power') for (const life of this.#world.commands) life.crash();
    for (const server of others) server.life.crash();
    await first?.crash(kind);
    for (const server of others) await server.discard();
  }

  /** Upstream is down: what is promised must be here. */
  async #audit(door: Door): Promise<void> {
    const { faults, ledger, random } = this.#world;
    using _ = faults.beginOutage();
    door.isAudit = true;
    for (const had of random.fork('audit').shuffled(ledger.all).slice(0, maxAudited)) {
      if (this.#world.findings.first !== undefined) break;
      await door.ask('auditor', had);
    }
    await auditHosted(this.#world, door);
    door.isAudit = false;
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

  async #auditPushed(): Promise<void> {
    const checked = { isOver: this.#world.plan.pushers.length === 0 };
    this.#do('audit of what was pushed', async () => {
      for (const door of this.#doors) await auditHosted(this.#world, door);
      checked.isOver = true;
    });
    await this.#world.scheduler.run(() => checked.isOver || this.#world.findings.first !== undefined);
  }

  /** Nobody asks any more, and upstream is well. */
  async #checkCompleted(server: Server): Promise<void> {
    const { plan, faults, scheduler } = this.#world;
    // Without room nothing is kept.
    if (!plan.complete || plan.full !== undefined || plan.maxSize > 0) return;
    // Those who look for changes, or for what is to be removed, all the time take long over a quarter of an hour, and show no more.
    if (plan.isShared || plan.pushers.length > 0) return;
    faults.endAt(scheduler.time);
    const checked = { isOver: false };
    this.#do('check of what is complete', async () => {
      await this.#pause(completeMs);
      for (const manifest of await server.wanted()) this.#doorOf(0).foundLacking(manifest);
      checked.isOver = true;
    });
    await scheduler.run(() => checked.isOver);
  }

  async #finish(): Promise<void> {
    const { findings, scheduler } = this.#world;
    const servers = this.#doors.flatMap(({ server }) => server ?? []);
    const [server] = servers;
    if (findings.first !== undefined || server === undefined) {
      for (const each of servers) await each.discard();
      return;
    }
    await this.#checkCompleted(server);
    await this.#auditPushed();
    const stopping = { isOver: false };
    this.#do('stop', async () => {
      for (const each of servers) await each.stop();
      stopping.isOver = true;
    });
    const since = scheduler.time;
    await scheduler.run(() => stopping.isOver || scheduler.time > since + graceMs);
    if (!stopping.isOver) findings.add('everything ends', 'the server does not stop');
    await this.#lookAgain();
  }

  /** When nobody is here any more, and all leases have run out. */
  async #lookAgain(): Promise<void> {
    const { plan, findings, scheduler } = this.#world;
    if (plan.pushers.length === 0 || findings.first !== undefined) return;
    const looking = { isOver: false };
    this.#do('last look', async () => {
      await this.#pause(leasedMs);
      await lastLook(this.#world);
      looking.isOver = true;
    });
    await scheduler.run(() => looking.isOver || findings.first !== undefined);
  }
}
