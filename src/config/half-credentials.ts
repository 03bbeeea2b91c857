import type { Config } from './schema.ts';

/**
 * One line for each registry that has a user or a password and not the other: as in the original it is asked anonymously, which is
 * hardly what was meant.
 */
export function halfCredentials({ registries }: Config): string[] {
  return registries.flatMap(({ name, auth: { user, password, token, accounts } }) => {
    if (token.static !== undefined || token.provider !== '') return [];
    if ((user === '') === (password === undefined)) return [];
    const [has, lacks] = user === '' ? ['password', 'user'] : ['user', 'password'];
    const by = accounts.length === 0 ? 'anonymously' : 'by auth.accounts alone';
    return [`registries: ${name} has a ${has} and no ${lacks}, and is asked ${by}`];
  });
}
