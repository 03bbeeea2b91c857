import { LRUCache } from 'lru-cache';
import { judgedGlob, judgedName } from '../../oci/judged-name.ts';
import { literalBeginning, textGlob } from '../../oci/name-glob.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import type { Judge, RuledAction, Subject, Verdict } from '../subject.ts';
import { type Who, type WhoMatcher, whoMatcher } from './who.ts';

/** As it is configured. */
export interface AccessRule {
  readonly name: string;
  readonly who: Who;
  /** Globs of names as people say them: what lives here has no host. */
  readonly repositories: readonly string[];
  readonly actions: readonly RuledAction[];
}

interface ReadyRule {
  readonly name: string;
  readonly who: WhoMatcher;
  readonly covers: (name: string) => boolean;
  readonly patterns: readonly string[];
  readonly actions: ReadonlySet<RuledAction>;
}

/** What one rule has to do with a question. */
export interface RuleFinding {
  readonly name: string;
  /** Why it says nothing of it, in words; undefined: it decides. */
  readonly passes: string | undefined;
}

/** What somebody may pull, for whoever lists names. */
export interface Pullable {
  /** Every name of it begins with one of these, as names are judged. */
  readonly beginnings: readonly string[];
  /** Nothing of it is remembered: long lists would push out what is asked for. */
  readonly has: (repository: RepositoryName) => boolean;
}

/** So many answers are remembered. */
const maxVerdicts = 10_000;

/**
 * Who may do what where: the first rule that is about him and about the repository decides; he may do there what it names, and nothing else. What no rule is
 * about is denied.
 */
export class AccessRules {
  readonly #rules: readonly ReadyRule[];
  /** By which rules are about somebody, what he does and where. */
  readonly #verdicts = new LRUCache<string, Verdict>({ max: maxVerdicts });
  /** Of whom the same rules speak may the same. By the numbers of those rules. */
  readonly #about = new WeakMap<Subject, string>();

  constructor(rules: readonly AccessRule[]) {
    this.#rules = rules.map(({ name, who, repositories, actions }) => {
      const globs = repositories.map((pattern) => textGlob(judgedGlob(pattern)));
      return {
        name,
        who: whoMatcher(who),
        covers: repositories.includes('**') ? () => true : (text) => globs.some((glob) => glob(text)),
        patterns: repositories,
        actions: new Set(actions),
      };
    });
  }

  readonly judge: Judge = (subject, action, repository) => {
    const about = this.#rulesAbout(subject);
    const key = `${about} ${action} ${repository}`;
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = this.#judged(about, action, repository);
    this.#verdicts.set(key, verdict);
    return verdict;
  };

  pullable(subject: Subject): Pullable {
    const about = this.#rulesAbout(subject);
    const globs = this.#rules
      .filter(({ who, actions }) => actions.has('pull') && who.matches(subject))
      .flatMap(({ patterns }) => patterns.map((pattern) => literalBeginning(judgedGlob(pattern))));
    return {
      beginnings: [...new Set(globs)],
      has: (repository) => this.#judged(about, 'pull', repository).allowed,
    };
  }

  /** Is there anything that he may do, or this? */
  letsIn(subject: Subject, action?: RuledAction): boolean {
    return this.#rules.some(
      ({ who, actions }) =>
        (action === undefined ? actions.size > 0 : actions.has(action)) && who.matches(subject),
    );
  }

  /** What each rule has to do with it, up to the one that decides. */
  explain(subject: Subject, repository: RepositoryName): readonly RuleFinding[] {
    const name = judgedName(repository);
    const findings: RuleFinding[] = [];
    for (const rule of this.#rules) {
      const passes = whyNot(rule, subject, name);
      findings.push({ name: rule.name, passes });
      if (passes === undefined) break;
    }
    return findings;
  }

  #judged(about: string, action: RuledAction, repository: RepositoryName): Verdict {
    const name = judgedName(repository);
    const numbers = about === '' ? [] : about.split(',').map(Number);
    const rule = numbers.map((number) => this.#rules[number]).find((one) => one?.covers(name));
    return { allowed: rule?.actions.has(action) ?? false, rule: rule?.name };
  }

  #rulesAbout(subject: Subject): string {
    const known = this.#about.get(subject);
    if (known !== undefined) return known;
    const numbers = [...this.#rules.keys()].filter((at) => this.#rules[at]?.who.matches(subject));
    const about = numbers.join(',');
    this.#about.set(subject, about);
    return about;
  }
}

function whyNot({ who, covers, patterns }: ReadyRule, subject: Subject, name: string): string | undefined {
  if (!who.matches(subject)) return `it is about ${who.words}`;
  return covers(name) ? undefined : `it is about ${patterns.join(', ') || 'no repository'}`;
}
