import { RegistryError } from '../oci/error.ts';
import { textGlob } from '../oci/name-glob.ts';
import { isHosted, type RepositoryName, shownName, type Tag } from '../oci/reference.ts';

/** What holds of the repositories that live here and match a pattern of it, as it is configured. */
export interface HostedSettings {
  readonly repositories: readonly string[];
  readonly open: boolean;
  readonly immutableTags: readonly string[];
  /** Milliseconds. */
  readonly uploadExpiry: number;
}

export interface HostedRule {
  /** May anyone push and delete? */
  readonly isOpen: boolean;
  /** Is the tag never moved, nor removed? */
  readonly isImmutable: (tag: Tag) => boolean;
  /** Milliseconds. */
  readonly uploadExpiryMs: number;
}

/** A longer name is none (distribution-spec, "Pulling manifests"). */
const maxName = 255;

/** Which names live here, and what holds of them: the first rule that matches. */
export class HostedRules {
  readonly #rules: readonly { readonly matches: (name: string) => boolean; readonly rule: HostedRule }[];

  constructor(settings: readonly HostedSettings[]) {
    this.#rules = settings.map(({ repositories, open, immutableTags, uploadExpiry }) => {
      const names = repositories.map(textGlob);
      const tags = immutableTags.map(textGlob);
      return {
        matches: (name) => names.some((glob) => glob(name)),
        rule: {
          isOpen: open,
          isImmutable: (tag) => tags.some((glob) => glob(tag)),
          uploadExpiryMs: uploadExpiry,
        },
      };
    });
  }

  /** `name`: as clients say it. */
  readonly livesHere = (name: string): boolean => this.#of(name) !== undefined;

  /** Undefined: nobody configures it any more. */
  ruleOf(repository: RepositoryName): HostedRule | undefined {
    return isHosted(repository) ? this.#of(shownName(repository)) : undefined;
  }

  /** For whoever changes it. Throws UNSUPPORTED, DENIED. */
  open(repository: RepositoryName): HostedRule {
    const rule = this.ruleOf(repository);
    if (rule === undefined) throw notHosted(shownName(repository));
    if (!rule.isOpen)
      throw new RegistryError(
        'DENIED',
        `nobody may push to ${shownName(repository)} or delete there: its entry below "hosted" lacks "open: true"`,
      );
    return rule;
  }

  #of(name: string): HostedRule | undefined {
    if (name.length > maxName) return undefined;
    return this.#rules.find(({ matches }) => matches(name))?.rule;
  }
}

/** What is cached is changed by its registry alone. */
function notHosted(name: string): RegistryError {
  return new RegistryError(
    'UNSUPPORTED',
    `${name} does not live here: no pattern below "hosted" matches it, and what is cached is changed at its own registry`,
    { headers: { Allow: 'GET, HEAD' } },
  );
}
