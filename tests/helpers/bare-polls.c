/* bare-polls URL N PARALLEL [INTERVAL SECONDS]: the minimum cost of ciba-poll: token requests by
 * libcurl's multi interface, PARALLEL at a time, and nothing else. Sends N of them; or polls N
 * requests every INTERVAL seconds, for SECONDS. Prints how many were sent. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static size_t ignore(char *bytes, size_t one, size_t count, void *data) {
    (void)bytes, (void)data;
    return one * count;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 6)
        return 64;
    long count = atol(argv[2]), parallel = atol(argv[3]), under_way = 0, sent = 0;
    double interval = argc == 6 ? atof(argv[4]) : 0,
           end = now() + (argc == 6 ? atof(argv[5]) : 1e9);
    /* When each is due; the order of sending is kept. */
    double *due = calloc((size_t)count, sizeof *due);
    static char form[400];
    if (due == NULL)
        return 70;
    snprintf(form, sizeof form,
             "grant_type=urn%%3Aopenid%%3Aparams%%3Agrant-type%%3Aciba&auth_req_id=%s&client_id=%s&"
             "client_secret=%s",
             "none", getenv("CIBA_CLIENT_ID"), getenv("CIBA_CLIENT_SECRET"));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    while (now() < end && (interval > 0 || sent < count || under_way > 0)) {
        int running, left;
        const CURLMsg *message;
        while (under_way < parallel && (interval > 0 || sent < count) &&
               due[sent % count] <= now()) {
            CURL *easy = curl_easy_init();
            curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form);
            curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
            curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
            curl_multi_add_handle(multi, easy);
            due[sent++ % count] = now() + interval;
            under_way++;
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
            under_way--;
        }
        double wait = under_way < parallel ? due[sent % count] - now() : 1;
        if (under_way > 0 || wait > 0)
            curl_multi_poll(multi, NULL, 0, wait < 0 ? 0 : (int)(wait * 1000) + 1, NULL);
    }
    printf("%ld\n", sent);
    return 0;
}
