/** Where Kubernetes' objects name images, wherever a pod stands in them (core/v1 PodSpec). */
const containers: ReadonlySet<string> = new Set(['containers', 'initContainers', 'ephemeralContainers']);

/**
 * The images in Kubernetes' objects, each once: of containers, init and ephemeral containers and of image volumes, in pods, in what makes
 * pods and in lists of them. What leads to itself (by YAML's aliases) is walked once.
 */
export function imagesInObjects(objects: readonly unknown[]): string[] {
  const images = new Set<string>();
  const waiting: unknown[] = [...objects];
  const walked = new Set<object>();
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null || walked.has(value)) continue;
    walked.add(value);
    if (Array.isArray(value)) {
      for (const item of value) if (typeof item === 'object') waiting.push(item);
      continue;
    }
    for (const [key, member] of Object.entries(value)) {
      if (typeof member !== 'object' || member === null) continue;
      if (containers.has(key)) addTexts(images, member, (container) => memberOf(container, 'image'));
      if (key === 'volumes')
        addTexts(images, member, (volume) => memberOf(memberOf(volume, 'image'), 'reference'));
      waiting.push(member);
    }
  }
  return [...images];
}

function addTexts(images: Set<string>, list: object, textOf: (item: unknown) => unknown): void {
  if (!Array.isArray(list)) return;
  for (const item of list) {
    const text = textOf(item);
    if (typeof text === 'string' && text !== '') images.add(text);
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
