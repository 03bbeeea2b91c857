/** A group of settings with those of one registry in their place, where it has its own. */
export function overridden<Group extends object>(
  group: Group,
  own: { readonly [Key in keyof Group]?: Group[Key] | undefined } | undefined,
): Group {
  const entries = Object.entries(own ?? {}).filter(([, value]) => value !== undefined);
  return { ...group, ...(Object.fromEntries(entries) as Partial<Group>) };
}
