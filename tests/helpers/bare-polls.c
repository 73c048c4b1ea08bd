/* bare-polls URL N PARALLEL: the floor for ciba-poll: N token requests, so many under way at a time, by
 * libcurl's multi interface and nothing else. Each has the form of a CIBA token request. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

static size_t ignore(char *bytes, size_t one, size_t count, void *data) {
    (void)bytes, (void)data;
    return one * count;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 64;
    long wanted = atol(argv[2]), parallel = atol(argv[3]), started = 0, done = 0;
    static char form[400];
    snprintf(form, sizeof form,
             "grant_type=urn%%3Aopenid%%3Aparams%%3Agrant-type%%3Aciba&auth_req_id=%s&client_id=%s&"
             "client_secret=%s",
             "none", getenv("CIBA_CLIENT_ID"), getenv("CIBA_CLIENT_SECRET"));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    while (done < wanted) {
        int running, left;
        const CURLMsg *message;
        for (; started < wanted && started - done < parallel; started++) {
            CURL *easy = curl_easy_init();
            curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form);
            curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
            curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
            curl_multi_add_handle(multi, easy);
        }
        curl_multi_perform(multi, &running);
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            CURL *easy = message->easy_handle;
            long status = 0;
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            if (message->data.result != CURLE_OK || status != 400) {
                fprintf(stderr, "bare-polls: %s, HTTP %ld\n",
                        curl_easy_strerror(message->data.result), status);
                return 1;
            }
            curl_multi_remove_handle(multi, easy);
            curl_easy_cleanup(easy);
            done++;
        }
        if (done < wanted)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    curl_multi_cleanup(multi);
    return 0;
}
