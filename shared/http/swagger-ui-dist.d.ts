/** What `with { type: 'file' }` gives. */
declare module 'swagger-ui-dist/*' {
  const path: string
  export default path
}
