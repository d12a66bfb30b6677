/**
 * Domains under which anybody gets a mailbox: an address there says nothing about an organisation.
 * These are larger providers of the npm package `free-email-domains` 1.12.6 (MIT), one line for each
 * or for a region. The list need not be complete: only those who control the DNS of a domain can
 * prove it.
 */
const PROVIDERS = [
  'gmail.com googlemail.com',
  'outlook.com outlook.de outlook.fr outlook.es outlook.it outlook.jp outlook.com.br hotmail.com hotmail.de hotmail.fr hotmail.es hotmail.it hotmail.co.uk hotmail.com.br hotmail.nl live.com live.de live.fr live.it live.nl live.be live.ca live.co.uk live.com.au live.com.mx live.se live.dk live.no msn.com windowslive.com',
  'yahoo.com yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.ca yahoo.in yahoo.co.uk yahoo.co.in yahoo.co.jp yahoo.co.id yahoo.co.kr yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.com.ph yahoo.com.sg yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.com.hk ymail.com rocketmail.com',
  'aol.com aol.de aol.fr aol.co.uk aim.com netscape.net verizon.net',
  'icloud.com me.com mac.com',
  'proton.me protonmail.com protonmail.ch pm.me',
  'tutanota.de tuta.io',
  'gmx.com gmx.de gmx.net gmx.at gmx.ch gmx.us gmx.fr gmx.co.uk web.de mail.com email.com usa.com',
  't-online.de freenet.de arcor.de online.de posteo.de posteo.net',
  'orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr',
  'libero.it virgilio.it alice.it tiscali.it',
  'bluewin.ch',
  'wp.pl o2.pl onet.pl interia.pl op.pl seznam.cz centrum.cz email.cz post.cz azet.sk freemail.hu citromail.hu abv.bg',
  'yandex.ru yandex.com ya.ru mail.ru inbox.ru list.ru bk.ru rambler.ru ukr.net i.ua',
  'qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn',
  'naver.com hanmail.net daum.net kakao.com nate.com',
  'rediffmail.com zohomail.com zoho.com',
  'comcast.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com',
  'shaw.ca rogers.com videotron.ca',
  'btinternet.com virginmedia.com sky.com ntlworld.com blueyonder.co.uk',
  'bigpond.com optusnet.com.au iinet.net.au xtra.co.nz',
  'uol.com.br bol.com.br terra.com.br ig.com.br',
  'ziggo.nl kpnmail.nl planet.nl xs4all.nl home.nl telenet.be skynet.be',
  'spray.se hotmail.se online.no mail.dk sapo.pt',
  'fastmail.com fastmail.fm hushmail.com duck.com runbox.com',
  'mailinator.com guerrillamail.com 10minutemail.com yopmail.com sharklasers.com temp-mail.org trashmail.com',
  // Not in that package; their own sign-up pages offer them.
  'tutanota.com tutamail.com tuta.com keemail.me mailbox.org hey.com startmail.com disroot.org riseup.net',
];

const DOMAINS: ReadonlySet<string> = new Set(PROVIDERS.flatMap((line) => line.split(' ')));

/** Returns whether everybody can get an address at this domain, which is in ASCII and lower case. */
export const isPublicMailDomain = (domain: string): boolean => DOMAINS.has(domain);
