import { isSummary } from './summary.ts';

/** What a stream of test events is made of, as far as it matters here. */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly message?: string;
    readonly nesting?: number;
    readonly details?: { readonly error?: unknown };
  };
}

/**
 * Puts what kept a suite from its tests in front of the summary, in which such a suite is no failure: `fail 0`, and its tests are
 * cancelled.
 */
export async function* withFailedSuites<Event extends TestEvent>(
  events: AsyncIterable<Event>,
): AsyncIterable<Event | TestEvent> {
  const failed: string[] = [];
  for await (const event of events) {
    const reason = event.type === 'test:fail' ? failureOfHook(event.data.details?.error) : undefined;
    if (reason !== undefined)
      failed.push(`failed before or behind its tests: ${event.data.name} (${reason})`);
    if (isSummary(event))
      for (const message of failed.splice(0))
        yield { type: 'test:diagnostic', data: { ...event.data, message } };
    yield event;
  }
}

/** node:test tells a failed hook (`before`, `after`) by this alone. */
function failureOfHook(error: unknown): string | undefined {
  if (!(error instanceof Error) || Reflect.get(error, 'failureType') !== 'hookFailed') return undefined;
  return error.cause instanceof Error ? error.cause.message : String(error.cause);
}
