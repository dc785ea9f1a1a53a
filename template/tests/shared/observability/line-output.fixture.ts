/** Writes lines to standard output as fast as it can; then as its second argument says. */
import { lineOutput } from '../../../../shared/observability/line-output.ts'

const [count, ending, maxPendingBytes, timeoutMs = 5000] = process.argv.slice(2)
const output = lineOutput({
  fd: 1,
  delayMs: 5,
  ...(maxPendingBytes && { maxPendingBytes: Number(maxPendingBytes) }),
})

for (let number = 0; number < Number(count); number += 1) {
  output.write(`line ${number} ${'x'.repeat(number % 200)}é\n`)
  if (number % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
}
process.stderr.write('written\n')

if (ending === 'exit') {
  await output.flush({ timeoutMs: Number(timeoutMs) })
  process.exit(0)
}
// Goes on, a line now and then, until nobody wants any more.
let wanted = true
process.stdin.on('end', () => {
  wanted = false
})
process.stdin.resume()
for (let number = 0; wanted; number += 1) {
  output.write(`after ${number}\n`)
  await new Promise((resolve) => setTimeout(resolve, 10))
}
await output.flush()
process.exit(0)
