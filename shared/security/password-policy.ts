/** Limits in bytes of UTF-8: what scrypt reads. */
export const passwordBytes = { min: 12, max: 128 } as const

/** Words that the commonest passwords are made of; what is left beside them must hold by itself. */
// biome-ignore format: a word list reads better as a paragraph
const commonWords = [
  'password', 'passwort', 'passw0rd', 'p@ssw0rd', 'p@ssword', 'contraseña', 'motdepasse', 'qwertyuiop', 'qwerty',
  'qwertz', 'azerty', 'asdfghjkl', 'asdfgh', 'zxcvbnm', 'zxcvbn', '1q2w3e4r5t6y', '1q2w3e4r5t', '1q2w3e4r', '1q2w3e',
  '1qaz2wsx3edc', '1qaz2wsx', 'qazwsxedc', 'qazwsx', 'zaq12wsx', 'iloveyou', 'letmein', 'welcome', 'changeme',
  'administrator', 'admin', 'root', 'login', 'master', 'secret', 'default', 'superman', 'batman', 'starwars',
  'football', 'baseball', 'basketball', 'liverpool', 'chelsea', 'arsenal', 'sunshine', 'princess', 'butterfly',
  'chocolate', 'michelle', 'jennifer', 'computer', 'internet', 'whatever', 'trustno1', 'monkey', 'dragon', 'shadow',
  'freedom', 'hello', 'world', 'test', 'user', 'guest', 'temp', 'abcdefghijklmnopqrstuvwxyz', 'abcdef', 'abc',
  'january', 'february', 'march', 'april', 'june', 'july', 'august', 'september', 'october', 'november', 'december',
  'spring', 'summer', 'autumn', 'winter', 'company', 'love', 'you', 'me', 'my', 'the', 'is',
]

/** How much must be left of a password once the common words and rows of characters are taken out. */
const minRemainder = 5

/**
 * Why a password is refused; undefined for a good one.
 *
 * Length first, as NIST SP 800-63B asks; then whatever is made only of the words, rows and repetitions that lists of
 * leaked passwords begin with (`password1234`, `qwertyuiop12`, `aaaaaaaaaaaa`).
 *
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
 */
export function weaknessOfPassword(password: string): string | undefined {
  const bytes = new TextEncoder().encode(password).length
  if (bytes < passwordBytes.min) return `must have at least ${passwordBytes.min} bytes`
  if (bytes > passwordBytes.max) return `must have at most ${passwordBytes.max} bytes`
  return isCommon(password) ? 'is one of the commonest passwords' : undefined
}

function isCommon(password: string): boolean {
  const text = password.toLowerCase()
  if (new Set(text).size < 5) return true
  const words = commonWords.reduce((rest, word) => rest.replaceAll(word, ' '), text)
  return withoutRows(words).replace(/[^\p{L}]/gu, '').length < minRemainder && lettersAndDigitsAreFew(words)
}

/** Passwords of symbols and digits without a word are judged by how many different ones they have. */
function lettersAndDigitsAreFew(rest: string): boolean {
  return new Set(withoutRows(rest).replace(/\s/g, '')).size < 8
}

/** Takes out runs such as `12345`, `98765`, `abcd`, `aaaa`: neighbours that differ by the same step of -1, 0 or 1. */
function withoutRows(text: string): string {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0)
  const inRow = new Set<number>()
  for (let index = 2; index < codes.length; index += 1) {
    const [first, second, third] = codes.slice(index - 2, index + 1) as [number, number, number]
    const step = second - first
    if (Math.abs(step) <= 1 && third - second === step)
      for (const at of [index - 2, index - 1, index]) inRow.add(at)
  }
  return Array.from(text)
    .filter((_, index) => !inRow.has(index))
    .join('')
}
