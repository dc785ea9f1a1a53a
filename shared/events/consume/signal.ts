/** A waiting place: `wait` ends at the next `notify`, or after its time. */
export class Signal {
  #wake: (() => void) | undefined

  notify(): void {
    this.#wake?.()
  }

  wait(maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(done, maxMs)
      this.#wake = done
    })
  }
}
