/** Says at the top of a page where it comes from. */
export const generated = '<!-- Written by `npm run docs`; a test compares it with the code. -->';

/** A table; a cell may hold Markdown, and no line break. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(row).join('\n');
}

export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

/** Words that are no Markdown. */
export function plain(text: string): string {
  return text.replaceAll(/[<*_]/g, '\\$&');
}

/** A page from its paragraphs. */
export function page(...blocks: readonly string[]): string {
  return `${blocks.join('\n\n')}\n`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
