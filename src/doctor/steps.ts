import { identityOf } from '../credentials/identity.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { adviceOnStatus } from './advice-on-status.ts';
import { challenge, isUnproved, nameAnImage, token } from './auth-steps.ts';
import { type Answered, type Evidence, limitsIn } from './evidence.ts';
import { adviceOnFailure, failureText } from './failure.ts';
import { address, connection } from './network-steps.ts';
import type { Finding, Step, StepName } from './report.ts';

const tests: Readonly<Record<StepName, (evidence: Evidence) => Finding>> = {
  credential,
  address,
  connection,
  challenge,
  token,
  answer,
};

/** What the evidence says, step by step up to the first that did not succeed. */
export function stepsOf(evidence: Evidence): Step[] {
  const steps: Step[] = [];
  for (const name of Object.keys(tests) as StepName[]) {
    const isOver = steps.some(({ status }) => status === 'failed' || status === 'unproved');
    const finding: Finding = isOver ? { status: 'skipped', detail: '' } : tests[name](evidence);
    const { ms } = finding;
    steps.push({ name, ...finding, ...(ms !== undefined && { ms: Math.max(0, Math.round(ms)) }) });
  }
  return steps;
}

/** Who are we? Nothing is sent before that is known. */
function credential({ credential: seen, error }: Evidence): Finding {
  if (seen === undefined) return { status: 'failed', detail: failureText(error) };
  const { ms } = seen;
  if ('error' in seen) {
    const advice = 'Nothing is sent without it: registries[].auth, and the source that it names.';
    return { status: 'failed', ms, detail: failureText(seen.error), advice };
  }
  const { from, expiresAt, credential: provided } = seen.provided;
  const facts = [
    identityOf(provided),
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(expiresAt === undefined ? [] : [`good until ${new Date(expiresAt).toISOString()}`]),
  ];
  return { status: 'ok', ms, detail: facts.join(', ') };
}

/** What was asked for in the end: the manifest of an image, or `/v2/`. */
function answer(evidence: Evidence): Finding {
  const { outcome, error, walk } = evidence;
  const last = evidence.exchanges('registry').at(-1);
  const isFirst = last === evidence.exchanges('registry')[0];
  const ms = last && last.ms - (isFirst ? (evidence.connection?.ms ?? 0) : 0);
  const answered = evidence.answered('registry').at(-1);
  const limits = answered === undefined ? [] : limitsIn(answered.answer);
  if (outcome !== undefined && 'descriptor' in outcome) {
    if (walk.subject.image === undefined && isWebPage(answered))
      return { status: 'unproved', ms, detail: 'answered 200 with a web page: is it a registry?' };
    return {
      status: 'ok',
      ms,
      detail: [...answerFacts(outcome.descriptor, answered), ...limits].join(', '),
    };
  }
  if (last !== undefined && 'error' in last.answer)
    return { status: 'failed', ms, detail: failureText(error), advice: adviceOnFailure(error, evidence) };
  const status = answered?.answer.status;
  const sent = last?.authorization === undefined ? '' : ` (sent: ${last.authorization})`;
  const detail = [`${failureText(error)}${sent}`, ...limits].join(', ');
  if (isUnproved(evidence, status)) return { status: 'unproved', ms, detail, advice: nameAnImage };
  return { status: 'failed', ms, detail, advice: adviceOnAnswer(evidence, status) };
}

/** A token that was had a moment ago and is refused is another matter than a password. */
function adviceOnAnswer(evidence: Evidence, status: number | undefined): string | undefined {
  const last = evidence.exchanges('registry').at(-1);
  if (status === 401 && last?.authorization === 'bearer') return freshTokenAdvice;
  return status === undefined || status === 200
    ? adviceOnFailure(evidence.error, evidence)
    : adviceOnStatus(status, evidence);
}

const freshTokenAdvice =
  'Its token server gave a token and it does not believe it: the clocks of both, the key and issuer that it trusts, the service it expects.';

function answerFacts(descriptor: Descriptor | undefined, answered: Answered | undefined): string[] {
  const asked = `${answered?.method} ${answered?.url.pathname}`;
  if (descriptor === undefined) return [`${asked} answered ${answered?.answer.status}`];
  return [asked, descriptor.digest, descriptor.mediaType, `${descriptor.size} bytes`];
}

function isWebPage(answered: Answered | undefined): boolean {
  return /^text\/html\b/i.test(answered?.answer.headers['content-type'] ?? '');
}
