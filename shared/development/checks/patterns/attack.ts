import type { FoundPattern } from './sources.ts'

/** One thing that is given a text; `hostile` makes texts of about so many characters that it may be slow with. */
export interface Judged {
  readonly name: string
  readonly test: (text: string) => unknown
  readonly hostile: (length: number) => Iterable<string>
}

/** Something of each class that patterns name, and what few of them take. */
const ofClass: Readonly<Record<string, string>> = {
  d: '0',
  w: 'a',
  s: ' ',
  D: 'x',
  W: '-',
  S: 'x',
  n: '\n',
  r: '\r',
  t: '\t',
  p: 'a',
  P: '1',
}
const endings = ['', '\0', '!', '\n', '@', '-']

/** Characters that the parts of a pattern take, in its order. */
export function samplesOf(source: string): string[] {
  const samples: string[] = []
  for (const [part] of source.matchAll(
    /\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])+\]|\(\?(?:[:=!]|<[=!]|<\w+>)|\{\d+,?\d*\}|./gsu,
  )) {
    if (/^(?:\(|\)|\||\*|\+|\?|\^|\$|\{\d)/.test(part)) continue
    samples.push(...sampleOf(part))
  }
  return samples
}

function sampleOf(part: string): string[] {
  if (part === '.') return ['x']
  if (part.startsWith('\\')) return [ofClass[part[1] ?? ''] ?? part.slice(1)]
  if (!part.startsWith('[')) return [part]
  const holder = new RegExp(part, 'u')
  const some = ['a', '0', 'A', '-', '.', ' ', '_', ':', 'x', '/', '%', '+', '\n'].filter((each) =>
    holder.test(each),
  )
  return some.slice(0, 2)
}

/** A pattern with what comes before each of its parts, that part and its neighbours again and again, and an end that does not fit. */
export function attackOn({ place, source, flags }: FoundPattern): Judged {
  const pattern = new RegExp(source, flags.replace(/[gy]/g, ''))
  const samples = samplesOf(source)
  return {
    name: `/${source}/ of ${place}`,
    test: (text) => pattern.test(text),
    *hostile(length) {
      for (let from = 0; from < samples.length; from += 1) {
        for (let width = 1; width <= 3 && from + width <= samples.length; width += 1) {
          const pump = samples.slice(from, from + width).join('')
          const pumped = pump.repeat(Math.ceil(length / pump.length))
          for (const ending of endings) {
            yield pumped + ending
            yield samples.slice(0, from).join('') + pumped + ending
          }
        }
      }
    },
  }
}
