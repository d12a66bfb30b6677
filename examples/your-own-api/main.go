// A protected API in Go with nothing but the standard library. It asks Gatehouse at each request.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

var (
	gatehouse  = os.Getenv("GATEHOUSE_URL")
	serviceKey = os.Getenv("GATEHOUSE_SERVICE_KEY")
	client     = &http.Client{Timeout: 5 * time.Second}
)

type person struct {
	Active      bool     `json:"active"`
	TokenType   string   `json:"token_type"`
	Staff       string   `json:"staff_id"`
	Tenant      string   `json:"tenant"`
	TenantID    string   `json:"tid"`
	Permissions []string `json:"permissions"`
}

// ask sends a request to Gatehouse. The caller reads and closes the body of the answer.
func ask(ctx context.Context, path string, body any, headers map[string]string) (*http.Response, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gatehouse+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+serviceKey)
	req.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	return client.Do(req)
}

func refuse(w http.ResponseWriter, status int, code string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": code, "status": status})
}

// addressOf returns the address of the client. Behind a proxy, take the one that the proxy reports.
func addressOf(r *http.Request) string {
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	return address
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// require answers 401, 403 or 503, or calls next with the person.
func require(permission string, next func(http.ResponseWriter, *http.Request, person)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := bearer(r)
		if token == "" {
			refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED")
			return
		}
		question := map[string]any{"token": token, "address": addressOf(r)}
		res, err := ask(r.Context(), "/api/token/introspect", question, nil)
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "GATEHOUSE_UNAVAILABLE")
			return
		}
		defer res.Body.Close()
		var who person
		// If Gatehouse cannot answer, refuse with 503 and not with 401: the person is still signed in.
		if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&who) != nil {
			refuse(w, http.StatusServiceUnavailable, "GATEHOUSE_UNAVAILABLE")
			return
		}
		if !who.Active {
			refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED")
			return
		}
		for _, held := range who.Permissions {
			if held == permission {
				next(w, r, who)
				return
			}
		}
		refuse(w, http.StatusForbidden, "FORBIDDEN")
	}
}

// consumeProof spends a proof for this one act. It returns false after it has answered the request.
func consumeProof(w http.ResponseWriter, r *http.Request, who person, purpose string) bool {
	if who.TokenType != "Bearer" {
		// An API key belongs to a program, which has no second factor.
		refuse(w, http.StatusForbidden, "PERSON_REQUIRED")
		return false
	}
	// Everything that decides what the act does. If your act has a body, add it.
	digest := sha256.Sum256([]byte(r.Method + "\n" + r.URL.RequestURI()))
	act := map[string]any{"name": r.Method + " /projects/:id", "digest": hex.EncodeToString(digest[:])}
	question := map[string]any{"token": bearer(r), "purpose": purpose, "act": act, "consume": true}
	res, err := ask(r.Context(), "/api/token/step-up", question, nil)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "GATEHOUSE_UNAVAILABLE")
		return false
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err == nil && res.StatusCode == http.StatusPreconditionRequired {
		// The browser client answers the challenge and repeats the request.
		w.Header().Set("WWW-Authenticate", res.Header.Get("WWW-Authenticate"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(res.StatusCode)
		_, _ = w.Write(answer)
		return false
	}
	var proof struct {
		Active bool `json:"active"`
		Passed bool `json:"passed"`
	}
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(answer, &proof) != nil {
		refuse(w, http.StatusServiceUnavailable, "GATEHOUSE_UNAVAILABLE")
		return false
	}
	if !proof.Active || !proof.Passed {
		refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED")
		return false
	}
	return true
}

// record writes an event into the audit log.
func record(r *http.Request, who person, action string, details map[string]any) error {
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	event := map[string]any{
		"action":  action,
		"tenant":  who.TenantID,
		"actor":   map[string]any{"staffId": who.Staff},
		"address": addressOf(r),
		"details": details,
	}
	body := map[string]any{"events": []any{event}}
	headers := map[string]string{"Idempotency-Key": hex.EncodeToString(key)}
	res, err := ask(r.Context(), "/api/audit/events", body, headers)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the event was refused with %s", res.Status)
	}
	return nil
}

func listProjects(w http.ResponseWriter, _ *http.Request, who person) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"tenant": who.Tenant, "projects": []string{}})
}

func deleteProject(w http.ResponseWriter, r *http.Request, who person) {
	if !consumeProof(w, r, who, "app:delete_project") {
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/projects/")
	// First the event: nothing is deleted without one.
	if err := record(r, who, "app.project.deleted", map[string]any{"project": id}); err != nil {
		refuse(w, http.StatusServiceUnavailable, "NOT_RECORDED")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	view := require("app:projects.view", listProjects)
	remove := require("app:projects.delete", deleteProject)
	http.HandleFunc("/projects", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			refuse(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			return
		}
		view(w, r)
	})
	http.HandleFunc("/projects/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete {
			refuse(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			return
		}
		remove(w, r)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
