import { sha256 } from '#src/oci/digest.ts';
import { errorAnswer, type FakeAnswer } from './fake-answer.ts';
import type { Asked } from './fake-registry.ts';
import type { Fault, FaultKind } from './faults.ts';
import type { Model } from './model.ts';

/** Faults of the way an answer is made. `applies`: can this answer be spoiled so? */
interface Spoiling {
  readonly applies: (answer: FakeAnswer, asked: Asked, isHead: boolean, range: string | undefined) => boolean;
  readonly spoil: (answer: FakeAnswer, asked: Asked, model: Model, fault: Fault) => FakeAnswer;
}

const isRight = ({ status }: FakeAnswer): boolean => status === 200 || status === 206;

export const spoilings: Partial<Readonly<Record<FaultKind, Spoiling>>> = {
  status: {
    applies: (_answer, { what }) => what !== 'token',
    spoil: (_answer, _asked, _model, { status = 503, retryAfter }) =>
      errorAnswer(status, 'UNKNOWN', retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  },
  flip: {
    applies: (answer, { what }, isHead) =>
      what === 'blob' && !isHead && isRight(answer) && answer.body.length > 0,
    spoil: (answer) => {
      const body = Uint8Array.from(answer.body);
      const at = body.length >> 1;
      body[at] = (body[at] ?? 0) ^ 0xff;
      return { ...answer, body };
    },
  },
  noRange: {
    applies: ({ status }) => status === 206,
    spoil: (_answer, { reference = '' }, model) => wholeOf(model.content.of(reference as never)),
  },
  range416: {
    applies: ({ status }) => status === 206,
    spoil: () => errorAnswer(416, 'RANGE_INVALID'),
  },
  shortRange: {
    applies: ({ status, body }) => status === 206 && body.length > 1,
    spoil: shortened,
  },
  headRefused: {
    applies: (_answer, { what }, isHead) => isHead && (what === 'blob' || what === 'manifest'),
    spoil: () => errorAnswer(405, 'UNSUPPORTED'),
  },
  headAbsent: {
    applies: (answer, { what }, isHead) =>
      isHead && isRight(answer) && (what === 'blob' || what === 'manifest'),
    spoil: () => errorAnswer(404, 'UNKNOWN'),
  },
  headEmpty: {
    applies: (answer, { what }, isHead) => isHead && isRight(answer) && what === 'blob',
    spoil: ({ headers, ...answer }) => ({ ...answer, headers: { ...headers, 'content-length': '0' } }),
  },
  headMute: {
    applies: (answer, { what }, isHead) => isHead && isRight(answer) && what !== 'redirect',
    spoil: ({ headers: { 'content-length': _, ...headers }, ...answer }) => ({ ...answer, headers }),
  },
  contradiction: {
    applies: (answer, { what, reference = ':' }, isHead) =>
      what === 'manifest' && !isHead && isRight(answer) && !reference.includes(':'),
    spoil: (answer, { repository, reference = '' }, model) => {
      const right = repository?.tagged(reference as never);
      const other = [...(repository?.manifests.values() ?? [])].find(({ digest }) => digest !== right);
      if (other === undefined) return answer;
      const body = model.content.of(other.digest);
      return { ...answer, headers: { ...answer.headers, 'content-length': String(body.length) }, body };
    },
  },
  falseDigest: {
    applies: (answer, { what, reference = ':' }) =>
      what === 'manifest' && isRight(answer) && !reference.includes(':'),
    spoil: (answer) => ({
      ...answer,
      headers: { ...answer.headers, 'docker-content-digest': sha256(Buffer.from('nobody has this')) },
    }),
  },
};

function wholeOf(body: Uint8Array): FakeAnswer {
  return { status: 200, headers: { 'content-length': String(body.length) }, body };
}

/** Half of what was asked for, and said so. */
function shortened(answer: FakeAnswer): FakeAnswer {
  const body = answer.body.subarray(0, answer.body.length >> 1);
  const range = (answer.headers['content-range'] ?? '').replace(
    /^bytes (\d+)-\d+/,
    (_, first: string) => `bytes ${first}-${Number(first) + body.length - 1}`,
  );
  return {
    ...answer,
    headers: { ...answer.headers, 'content-length': String(body.length), 'content-range': range },
    body,
  };
}
