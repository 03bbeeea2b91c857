import type { RepositoryName } from '#src/oci/reference.ts';
import type { Upstream, UpstreamSettings } from '#src/upstream/upstream.ts';
import { FakeUpstream, type FakeUpstreamOptions } from './fake-upstream.ts';
import { openUpstream } from './open-upstream.ts';
import type { Fault } from './upstream-answers.ts';

/** The real client and a fake upstream that it asks, over real HTTP. */
export class UpstreamUnderTest implements AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly registry: Upstream;
  /** What the client found odd. */
  readonly oddities: string[];
  readonly name: RepositoryName;

  private constructor(upstream: FakeUpstream, registry: Upstream, oddities: string[]) {
    this.upstream = upstream;
    this.registry = registry;
    this.oddities = oddities;
    this.name = upstream.repository('library/alpine');
  }

  static async start(
    settings: Partial<UpstreamSettings> = {},
    options: FakeUpstreamOptions = {},
  ): Promise<UpstreamUnderTest> {
    const upstream = await FakeUpstream.start(options);
    const oddities: string[] = [];
    const onOddity = (message: string) => void oddities.push(message);
    return new UpstreamUnderTest(upstream, openUpstream(upstream, { onOddity, ...settings }), oddities);
  }

  /** What goes wrong from now on. */
  spoil(...faults: Fault[]): void {
    this.upstream.faults.splice(0, Number.POSITIVE_INFINITY, ...faults);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }
}
