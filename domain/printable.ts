/**
 * Texts of others that a terminal will print: `docker node ls` writes them as they are, and an escape sequence in one clears
 * the screen, renames the window or paints rows that are not there. So do control characters, both of ASCII and of Latin-1
 * (U+009B begins a sequence too), separators of lines, and marks that turn the direction of what follows. Half of a
 * surrogate pair is no character at all.
 */
const controls = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const everywhere = new RegExp(controls, 'gu');

/** Of several lines. */
export const printableText = (text: string): string =>
  text.replace(everywhere, (char) => (char === '\n' || char === '\t' ? char : '\ufffd'));

/** Of one line. */
export const printableLine = (text: string): string => text.replace(everywhere, '\ufffd');

export const isPrintable = (name: string): boolean => !controls.test(name);

/** JSON of one line, with what JSON itself leaves as it is escaped too: it says the same. */
export const printableJson = (json: string): string =>
  json.replace(everywhere, (char) =>
    char === '\n' ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
