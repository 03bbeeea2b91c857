import { isSummary } from './summary.ts';

/** What a stream of test events is made of, as far as it matters here. */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly skip?: string | boolean | undefined;
    readonly message?: string;
    readonly nesting?: number;
  };
}

/** Puts one line for each skipped test, with its reason, in front of the summary that the reporter prints last. */
export async function* withSkips<Event extends TestEvent>(
  events: AsyncIterable<Event>,
): AsyncIterable<Event | TestEvent> {
  const skipped: string[] = [];
  for await (const event of events) {
    const { skip, name } = event.data;
    if (event.type === 'test:pass' && skip !== undefined && skip !== false)
      skipped.push(`skipped: ${name} (${skip === true ? 'no reason given' : skip})`);
    if (isSummary(event))
      for (const message of skipped.splice(0))
        yield { type: 'test:diagnostic', data: { ...event.data, message } };
    yield event;
  }
}
