/** @file Addresses of files, as Vite imports them. */
declare module '*?url' {
  const address: string
  export default address
}
