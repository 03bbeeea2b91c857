import { LRUCache } from 'lru-cache';
import { judgedGlob, judgedName } from '../../oci/judged-name.ts';
import { textGlob } from '../../oci/name-glob.ts';
import type { RepositoryName, Tag } from '../../oci/reference.ts';
import type { Verdict } from '../subject.ts';

/** As it is configured. */
export interface PolicyRule {
  readonly name: string;
  /** Globs of names, with a tag part after the last colon behind the last slash, or without. */
  readonly repositories: readonly string[];
  readonly effect: 'allow' | 'deny';
}

interface Pattern {
  readonly covers: (name: string) => boolean;
  /** Undefined: every tag. */
  readonly coversTag: ((tag: string) => boolean) | undefined;
}

interface ReadyRule {
  readonly name: string;
  readonly isAllowing: boolean;
  readonly patterns: readonly Pattern[];
}

/** So many answers are remembered. */
const maxVerdicts = 10_000;
const unruled: Verdict = { allowed: true, rule: undefined };

/** What may pass at all, for whomever: the first rule that matches decides; what none matches passes. */
export class Policy {
  readonly #rules: readonly ReadyRule[];
  readonly #verdicts = new LRUCache<string, Verdict>({ max: maxVerdicts });

  constructor(rules: readonly PolicyRule[]) {
    this.#rules = rules.map(({ name, repositories, effect }) => ({
      name,
      isAllowing: effect === 'allow',
      patterns: repositories.map(patternOf),
    }));
  }

  /** Does it depend on the tag whether something of the repository passes? */
  asksForTags(repository: RepositoryName): boolean {
    const name = judgedName(repository);
    return this.#rules.some(({ patterns }) =>
      patterns.some(({ covers, coversTag }) => coversTag !== undefined && covers(name)),
    );
  }

  ofTag(repository: RepositoryName, tag: Tag): Verdict {
    return this.#remembered(`${repository}:${tag}`, repository, ({ coversTag }) => coversTag?.(tag) ?? true);
  }

  /** Where nobody says a tag: what could pass by some tag passes. */
  ofName(repository: RepositoryName): Verdict {
    return this.#remembered(repository, repository, coversSome);
  }

  /** The same, and not remembered: for long lists of names. */
  passesByName(repository: RepositoryName): boolean {
    return this.#judged(repository, coversSome).allowed;
  }

  /** Which tags of the repository pass, for long lists of them: nothing is remembered. Undefined: none matters. */
  tagsPassing(repository: RepositoryName): ((tag: Tag) => boolean) | undefined {
    if (!this.asksForTags(repository)) return undefined;
    const name = judgedName(repository);
    const rules = this.#rules
      .map(({ isAllowing, patterns }) => ({
        isAllowing,
        patterns: patterns.filter(({ covers }) => covers(name)),
      }))
      .filter(({ patterns }) => patterns.length > 0);
    return (tag) =>
      rules.find(({ patterns }) => patterns.some(({ coversTag }) => coversTag?.(tag) ?? true))?.isAllowing ??
      true;
  }

  /** Of what these tags lead to: by one of them that may pass it does. */
  ofTags(repository: RepositoryName, tags: readonly Tag[]): Verdict {
    if (tags.length === 0) return this.ofName(repository);
    const verdicts = tags.map((tag) => this.ofTag(repository, tag));
    return verdicts.find(({ allowed }) => allowed) ?? verdicts[0] ?? unruled;
  }

  #remembered(
    key: string,
    repository: RepositoryName,
    coversTag: (pattern: Pattern, isAllowing: boolean) => boolean,
  ): Verdict {
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = this.#judged(repository, coversTag);
    this.#verdicts.set(key, verdict);
    return verdict;
  }

  #judged(
    repository: RepositoryName,
    coversTag: (pattern: Pattern, isAllowing: boolean) => boolean,
  ): Verdict {
    const name = judgedName(repository);
    const rule = this.#rules.find(({ patterns, isAllowing }) =>
      patterns.some((pattern) => pattern.covers(name) && coversTag(pattern, isAllowing)),
    );
    return rule === undefined ? unruled : { allowed: rule.isAllowing, rule: rule.name };
  }
}

function coversSome({ coversTag }: Pattern, isAllowing: boolean): boolean {
  return coversTag === undefined || isAllowing;
}

function patternOf(written: string): Pattern {
  const pattern = judgedGlob(written);
  const colon = pattern.indexOf(':', pattern.lastIndexOf('/') + 1);
  if (colon === -1) return { covers: textGlob(pattern), coversTag: undefined };
  return { covers: textGlob(pattern.slice(0, colon)), coversTag: textGlob(pattern.slice(colon + 1)) };
}
