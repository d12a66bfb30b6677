/**
 * Complete passwords of eight characters or more: the top of every published list of leaked
 * passwords, and variants of this product's name. The comparison ignores case; a longer password
 * that contains one is not a match.
 */
const COMMON = new Set(
  `password password1 password12 password123 password1234 password12345 passw0rd p@ssw0rd p@ssword
  12345678 123456789 1234567890 12345678910 123123123 1234512345 11111111 111111111 1111111111 00000000
  000000000 0000000000 87654321 987654321 0987654321 9876543210 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx
  1qaz2wsx3edc zaq12wsx qwertyui qwertyuiop qwerty123 qwerty1234 qwerty12345 qwertyuiop123 asdfghjkl
  asdfghjk zxcvbnm1 zxcvbnm123 abcd1234 abc12345 abcdefgh abcdefghij a1b2c3d4 iloveyou iloveyou1 iloveyou123
  sunshine sunshine1 princess princess1 football football1 baseball baseball1 superman superman1 batman123
  trustno1 welcome1 welcome123 welcome1234 letmein1 letmein123 changeme changeme1 changeme123 administrator
  admin123 admin1234 admin12345 administrator1 rootroot toor1234 master123 dragon123 monkey123 shadow123
  michael1 jennifer jordan23 michelle charlie1 samantha computer internet whatever starwars pokemon1
  test1234 test12345 testtest testtest1 default123 secret123 secret1234 guest1234 user1234 demo1234
  qazwsxedc qazwsxedc123 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 google123 facebook liverpool chelsea1 arsenal1
  passwordpassword passwordpassword1 123456789012345 1234567890123456 111111111111111 aaaaaaaaaaaaaaa
  qwertyuiopasdfgh qwertyuiopasdfghjkl qwertyuiop12345 abcdefghijklmno abcdefghijklmnop
  thisismypassword mypasswordispassword iloveyouiloveyou letmeinletmein
  gatehouse gatehouse1 gatehouse123 gatehousegatehouse gatehousepassword`.split(/\s+/),
);

/** Returns whether the whole password is one of those that attackers try first. */
export function isCommonPassword(password: string): boolean {
  const folded = password.normalize('NFKC').toLowerCase();
  return COMMON.has(folded) || /^(.)\1*$/u.test(folded);
}
