package rest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Kerberos is how requests are authenticated to a controller of a Windows domain. The zero value is none.
type Kerberos struct {
	Principal string // "host-a$@CONTOSO.EXAMPLE"; without a realm, the default one of Config
	Keytab    string // file with its keys
	Config    string // krb5.conf; default /etc/krb5.conf
	// ServicePrincipal of the controller. Default HTTP/ and the URL's host.
	ServicePrincipal string
}

const (
	principalKey = "controller.rest.kerberos.principal"
	keytabKey    = "controller.rest.kerberos.keytab"
	krbConfigKey = "controller.rest.kerberos.config"
	defaultKrb5  = "/etc/krb5.conf"
)

// ticket is what a service is shown: with it, every request gets a token of its own.
type ticket struct {
	token func() (string, error) // the value of an Authorization header, good for one request
	end   time.Time
}

// login reads the files, so that changed ones are followed; every error names the config key and the file.
func (k Kerberos) login() (c *krb.Client, err error) {
	defer recovered(&err)
	switch {
	case k.Principal == "":
		return nil, errors.New(principalKey + ": missing")
	case k.Keytab == "":
		return nil, errors.New(keytabKey + ": missing")
	}
	if k.Config == "" {
		k.Config = defaultKrb5
	}
	conf, err := config.Load(k.Config)
	if err != nil && !errors.As(err, new(config.UnsupportedDirective)) {
		return nil, fmt.Errorf("%s: %s: %w", krbConfigKey, k.Config, err)
	}
	name, realm, _ := strings.Cut(k.Principal, "@")
	if realm == "" {
		realm = conf.LibDefaults.DefaultRealm
	}
	if realm == "" {
		return nil, fmt.Errorf("%s: %s has no realm, and %s no default_realm", principalKey, k.Principal, k.Config)
	}
	text, err := os.ReadFile(k.Keytab)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keytabKey, err)
	}
	keys := keytab.New()
	if err := keys.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("%s: %s: not a keytab", keytabKey, k.Keytab)
	}
	want := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, name)
	for _, e := range keys.Entries {
		if e.Principal.Realm == realm && want.Equal(types.PrincipalName{NameString: e.Principal.Components}) {
			return krb.NewWithKeytab(name, realm, keys, conf, krb.DisablePAFXFAST(true)), nil
		}
	}
	return nil, fmt.Errorf("%s: %s: no key of %s@%s", keytabKey, k.Keytab, name, realm)
}

// ticket asks the KDC for a ticket to a service, with a fresh login. Tickets are not renewed but got anew like
// this: gokrb5's own renewal runs in goroutines that nothing here could wait for.
func (k Kerberos) ticket(service string) (t *ticket, err error) {
	defer recovered(&err)
	c, err := k.login()
	if err != nil {
		return nil, err
	}
	realm := c.Credentials.Domain()
	ask, err := messages.NewASReqForTGT(realm, c.Config, c.Credentials.CName())
	if err != nil {
		return nil, err
	}
	granting, err := c.ASExchange(realm, ask, 0)
	if err != nil {
		return nil, fmt.Errorf("login of %s@%s: %w", c.Credentials.UserName(), realm, err)
	}
	defer c.Destroy() // of sessions that referrals to other realms have made
	credentials := *c
	_, granted, err := c.TGSREQGenerateAndExchange(types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, service), realm,
		granting.Ticket, granting.DecryptedEncPart.Key, false)
	if err != nil {
		return nil, fmt.Errorf("ticket for %s: %w", service, err)
	}
	return &ticket{end: granted.DecryptedEncPart.EndTime, token: func() (string, error) {
		return negotiation(&credentials, granted.Ticket, granted.DecryptedEncPart.Key)
	}}, nil
}

func negotiation(c *krb.Client, t messages.Ticket, key types.EncryptionKey) (value string, err error) {
	defer recovered(&err)
	init, err := spnego.NewNegTokenInitKRB5(c, t, key)
	if err != nil {
		return "", err
	}
	token, err := (&spnego.SPNEGOToken{Init: true, NegTokenInit: init}).Marshal()
	return "Negotiate " + base64.StdEncoding.EncodeToString(token), err
}

// recovered makes an error of a panic: files and a KDC's answers are read by code that is not ours.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("unreadable: %v", r)
	}
}
