/** A pattern and where it stands, or who uses it. */
export interface FoundPattern {
  readonly place: string
  readonly source: string
  readonly flags: string
}

/** After one of these a slash divides. */
const operand = /^(?:[\w$)\]]|['"`])/
/** After one of these it does not. */
const words = new Set(['return', 'typeof', 'case', 'of', 'in', 'await'])

const token = /\/\/[^\n]*|\/\*.*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|[\w$]+|\s+|./sy
const literal = /\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/([a-z]*)/y
const templateText = /(?:\\.|[^\\`$]|\$(?!\{))*(?:`|\$\{)/sy

/** Every regular expression that a TypeScript file writes, and every text in it that begins with `^`, as JSON Schema has them. */
export function patternsIn(text: string, place: string): FoundPattern[] {
  const found: FoundPattern[] = []
  /** Of each template that is open, how many braces are in its expression. */
  const templates: number[] = []
  let at = 0
  let last = ''
  const read = (what: RegExp): RegExpExecArray | null => {
    what.lastIndex = at
    const match = what.exec(text)
    if (match) at = what.lastIndex
    return match
  }
  const readTemplate = () => {
    if (read(templateText)?.[0].endsWith('{')) templates.push(0)
    last = '`'
  }

  while (at < text.length) {
    const divides = operand.test(last) && !words.has(last)
    const regExp = text[at] === '/' && !divides && !/^\/[/*]/.test(text.slice(at, at + 2)) && read(literal)
    if (regExp) {
      found.push({ place, source: regExp[1] ?? '', flags: regExp[2] ?? '' })
      last = ')'
      continue
    }
    const [word = ''] = read(token) ?? []
    if (/^(?:\s|\/\/|\/\*)/.test(word)) continue
    const depth = templates.at(-1)
    if (word === '`') readTemplate()
    else if (word === '}' && depth === 0) {
      templates.pop()
      readTemplate()
    } else {
      if (depth !== undefined && (word === '{' || word === '}'))
        templates[templates.length - 1] = depth + (word === '{' ? 1 : -1)
      if (/^['"]\^/.test(word)) found.push({ place, source: unquoted(word), flags: 'u' })
      last = word
    }
  }
  return found
}

const unquoted = (word: string) => word.slice(1, -1).replace(/\\(.)/g, '$1')
